"""Boxes in flight on engine `mujoco_warp`: as on engine `mujoco`."""

import math

import pytest
import torch

from hoigym.sim.base import Flight, Simulator
from hoigym.sim.env_ids import Rows
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.projectiles import PARKED_ABOVE
from tests.sim.starts import assert_same, standing
from tests.sim.test_projectiles import ROWS, SUBSET, flight, scene_with
from tests.sim.warp_sims import DEVICES, make, put, state, step

# Kernels are compiled for half a minute on a fresh machine.
pytestmark = pytest.mark.slow


def launch(sim: Simulator, thrown: Flight, selected: torch.Tensor, box: int) -> None:
    """In the selected rows; thrown holds one flight for every row."""
    rows = Rows.of(selected.to(sim.device))
    which = torch.full((len(rows),), box, device=sim.device)
    sim.launch(rows, which, Flight(**{name: value.to(sim.device)[rows.index] for name, value in vars(thrown).items()}))


@pytest.mark.parametrize("device", DEVICES)
def test_a_throw_goes_as_on_the_other_engine(device: str) -> None:
    """At rest without weight, so that nothing but the box acts: the same hit, momentum and flags."""
    scene = scene_with(2, weightless=True)
    sim, expected = make(scene, ROWS, device), MujocoSimulator(scene, ROWS, 1)
    start = standing(scene, ROWS, height=20.0)
    everyone = torch.ones(ROWS, dtype=torch.bool)
    for each in (sim, expected):
        put(each, start)
    waiting = state(sim)["projectile_pos"]
    assert (waiting[..., 2] > PARKED_ABOVE).all()
    chest = expected.state.body_pos[:, scene.skeleton.index("Chest")] + torch.tensor([0.0, -1.0, 0.0])
    for each in (sim, expected):
        launch(each, flight(chest, (0.0, 20.0, 0.0)), SUBSET, box=1)
    assert torch.equal(state(sim)["projectile_pos"][~SUBSET], waiting[~SUBSET])
    for _ in range(12):
        for each in (sim, expected):
            step(each, start.joint_rot)
    ours, theirs = state(sim), state(expected)
    speed = ours["projectile_lin_vel"][1, 1]
    assert speed[1] < 18.0
    torch.testing.assert_close(speed, theirs["projectile_lin_vel"][1, 1], atol=0.3, rtol=0)
    torch.testing.assert_close(ours["root_lin_vel"], theirs["root_lin_vel"], atol=0.2, rtol=0)
    assert ours["root_lin_vel"][~SUBSET].abs().max() < 1e-3
    for name in ("ground_contact", "object_contact", "diverged"):
        assert not ours[name].any(), name
    put(sim, start)
    assert torch.equal(state(sim)["projectile_pos"], waiting)
    launch(sim, flight(chest.fill_(math.nan), (0.0, 0.0, 0.0)), everyone, box=0)
    step(sim, start.joint_rot)
    assert state(sim)["diverged"].all()


def test_boxes_that_touch_count_as_neither_ground_nor_object() -> None:
    scene = scene_with(1, weightless=True)
    sim = make(scene, 1)
    start = standing(scene, 1, height=20.0)
    put(sim, start)
    head = state(sim)["body_pos"][:, scene.skeleton.index("Head")] + torch.tensor([0.0, 0.0, 0.22])
    launch(sim, flight(head, (0.0, 0.0, 0.0)), torch.tensor([True]), box=0)
    step(sim, start.joint_rot)
    now = state(sim)
    assert now["body_force"].abs().max() > 1.0
    assert not now["ground_contact"].any()
    assert not now["object_contact"].any()


def test_snapshot_continues_bit_for_bit() -> None:
    scene = scene_with(1)
    sim, other = make(scene, ROWS), make(scene, ROWS)
    start = standing(scene, ROWS)
    put(sim, start)
    launch(sim, flight(torch.tensor([[2.0, 0.0, 1.1]]).expand(ROWS, 3), (-14.0, 0.0, 1.0)), SUBSET, box=0)
    for _ in range(6):
        step(sim, start.joint_rot)
    other.restore(sim.snapshot())
    for _ in range(6):
        step(sim, start.joint_rot)
        step(other, start.joint_rot)
        assert_same(state(sim), state(other))
