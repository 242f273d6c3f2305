"""Same numbers from any number of threads, and from any snapshot."""

from typing import Literal

import pytest
import torch

from hoigym.sim.engines import make_simulator
from hoigym.sim.env_ids import Rows
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.sim.starts import assert_same, copy, pick, put, random_start, random_targets, standing

ROWS = 6
SUBSET = torch.tensor([False, True, False, False, True, False])


def make(num_threads: int, hands: Literal["full", "locked"] = "full") -> MujocoSimulator:
    """Humanoids standing with the ball thrown at them, so that there is something to collide with."""
    sim = MujocoSimulator(build_scene(SceneConfig(hands=hands)), ROWS, num_threads)
    start = standing(sim.scene, ROWS)
    start.object_pos[:, 0] = torch.tensor([0.2, 1.0, 1.2])
    start.object_lin_vel[:, 0, 1] = torch.linspace(-4, -1, ROWS)
    put(sim, start)
    return sim


@pytest.mark.parametrize("hands", ["full", "locked"])
def test_one_and_two_threads_agree_bit_for_bit(hands: Literal["full", "locked"]) -> None:
    one, two = make(1, hands), make(2, hands)
    touched = False
    for step, target in enumerate(random_targets(one.scene, ROWS, 120)):
        for sim in (one, two):
            sim.step(target)
            if step == 50:
                sim.set_state(Rows.of(SUBSET), pick(standing(sim.scene, ROWS), [1, 4]))
        assert_same(copy(one.state), copy(two.state))
        touched |= bool(one.state.object_contact.any())
    assert touched
    assert one.state.ground_contact.any()
    assert torch.equal(one.generalized_positions(), two.generalized_positions())


@pytest.mark.parametrize("reset_first", [False, True], ids=["after a step", "after a partial set_state"])
def test_snapshot_continues_bit_for_bit(reset_first: bool) -> None:
    sim, other = make(2), make(1)
    targets = random_targets(sim.scene, ROWS, 60)
    for target in targets[:20]:
        sim.step(target)
    if reset_first:
        sim.set_state(Rows.of(SUBSET), pick(standing(sim.scene, ROWS), [1, 4]))
    snapshot = {name: value.clone() for name, value in sim.snapshot().items()}
    here, after = copy(sim.state), []
    for target in targets[20:]:
        sim.step(target)
        after.append(copy(sim.state))
    for resumed in (other, sim):  # another simulator, and the same one turned back
        resumed.restore(snapshot)
        assert_same(copy(resumed.state), here)
        for target, expected in zip(targets[20:], after, strict=True):
            resumed.step(target)
            assert_same(copy(resumed.state), expected)


def test_snapshot_is_a_copy() -> None:
    sim = make(1)
    snapshot = sim.snapshot()
    kept = {name: value.clone() for name, value in snapshot.items()}
    sim.step(random_targets(sim.scene, ROWS, 1)[0])
    assert all(torch.equal(snapshot[name], kept[name]) for name in kept)


def test_rows_do_not_depend_on_their_neighbours() -> None:
    """Row 2 alone in its simulator does what it does among others."""
    crowd = make(2)
    alone = MujocoSimulator(crowd.scene, 1, num_threads=1)
    start = random_start(crowd.scene, ROWS)
    start.root_pos[:, 2] = 1.5
    put(crowd, start)
    put(alone, pick(start, [2]))
    for target in random_targets(crowd.scene, ROWS, 60):
        crowd.step(target)
        alone.step(target[2:3])
        assert_same(pick_row(crowd, 2), pick_row(alone, 0))


def pick_row(sim: MujocoSimulator, row: int) -> dict[str, torch.Tensor]:
    return {name: value[row : row + 1] for name, value in copy(sim.state).items()}


def test_engines_are_made_by_name() -> None:
    scene = build_scene(SceneConfig(hands="locked"))
    assert isinstance(make_simulator("mujoco", scene, 2, threads=1), MujocoSimulator)
    with pytest.raises(ValueError, match="no engine 'bullet'"):
        make_simulator("bullet", scene, 2)
