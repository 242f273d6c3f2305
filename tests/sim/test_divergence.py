"""A world that blows up says so, hurts no other and is healed by set_state."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hoigym.sim.env_ids import Rows
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.sim.starts import assert_same, copy, pick, put, random_targets, standing

ROWS = 4
SICK = 2
HEALTHY = [0, 1, 3]


def make(rows: int = ROWS) -> MujocoSimulator:
    sim = MujocoSimulator(build_scene(SceneConfig(hands="locked")), rows)
    put(sim, standing(sim.scene, rows))
    return sim


def infect(sim: MujocoSimulator, speed: float) -> None:
    """Puts the sick row to a root spin of the given speed [rad/s]."""
    start = pick(standing(sim.scene, sim.num_envs), [SICK])
    start.root_ang_vel[:] = speed
    sim.set_state(Rows.of(torch.arange(sim.num_envs) == SICK), start)


def only_the_sick(sim: MujocoSimulator) -> Tensor:
    return torch.arange(sim.num_envs) == SICK


@pytest.mark.parametrize("speed", [1e3, 1e4, 1e6, 1e12, math.inf, math.nan])
def test_blown_up_world_is_flagged_and_the_others_go_on_bit_for_bit(speed: float) -> None:
    sim, control = make(), make()
    targets = random_targets(sim.scene, ROWS, 12)
    for target in targets[:4]:
        sim.step(target)
        control.step(target)
    infect(sim, speed)
    flagged = sim.state.diverged.clone()
    for target in targets[4:]:
        sim.step(target)
        control.step(target)
        flagged |= sim.state.diverged
        assert_same(copy(sim.state), copy(control.state), rows=HEALTHY)
    assert torch.equal(flagged, only_the_sick(sim))


@pytest.mark.parametrize("speed", [1e6, 1e12, math.inf, math.nan])
def test_mad_start_is_flagged_at_once(speed: float) -> None:
    sim = make()
    infect(sim, speed)
    assert torch.equal(sim.state.diverged, only_the_sick(sim))


def test_blow_up_within_the_step_is_flagged_by_that_step() -> None:
    sim = make()
    infect(sim, 999.0)
    assert not sim.state.diverged.any()
    sim.step(torch.zeros(ROWS, 52, 3))
    assert torch.equal(sim.state.diverged, only_the_sick(sim))


def test_target_that_is_no_number_is_flagged() -> None:
    for value in (math.nan, math.inf):
        sim = make()
        target = torch.zeros(ROWS, 52, 3)
        target[SICK, 3, 1] = value
        sim.step(target)
        assert torch.equal(sim.state.diverged, only_the_sick(sim))


def test_every_step_that_blows_up_is_flagged() -> None:
    """The flag tells of the last step: it goes when the world does well and comes with the next blow-up."""
    sim = make()
    target = torch.zeros(ROWS, 52, 3)
    bad = target.clone()
    bad[SICK, 0] = math.nan
    for expected in (True, True, False, True):
        sim.step(bad if expected else target)
        assert bool(sim.state.diverged[SICK]) == expected


@pytest.mark.parametrize("speed", [1e4, math.nan])
def test_set_state_heals(speed: float) -> None:
    sim, control = make(), make()
    infect(sim, speed)
    assert sim.state.diverged[SICK]
    sim.step(torch.zeros(ROWS, 52, 3))
    for each in (sim, control):
        put(each, standing(each.scene, ROWS))
    assert not sim.state.diverged.any()
    for target in random_targets(sim.scene, ROWS, 20, amplitude=0.2):
        sim.step(target)
        control.step(target)
        assert not sim.state.diverged.any()
        assert_same(copy(sim.state), copy(control.state))


def test_snapshot_keeps_the_flag() -> None:
    sim, other = make(), make()
    infect(sim, 1e6)
    other.restore(sim.snapshot())
    assert torch.equal(other.state.diverged, only_the_sick(sim))


def test_lively_motion_is_not_called_divergence() -> None:
    sim = make(rows=8)
    for target in random_targets(sim.scene, 8, 90, amplitude=1.0):
        sim.step(target)
        assert not sim.state.diverged.any()
    assert sim.state.body_ang_vel.abs().max() > 5


def test_many_at_once_make_no_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """MuJoCo would print every warning and write a log file into the working directory."""
    monkeypatch.chdir(tmp_path)
    sim = make(rows=64)
    start = standing(sim.scene, 64)
    put(sim, start)
    sim.step(torch.full((64, 52, 3), math.nan))
    assert sim.state.diverged.all()
    start.root_ang_vel[:] = 1e12
    put(sim, start)
    assert sim.state.diverged.all()
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
