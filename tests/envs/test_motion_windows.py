"""Windows of motion: what a discriminator sees of the simulation and of the clips."""

import math

import numpy as np
import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.envs.config import EpisodeConfig, StartConfig
from hoigym.envs.motion_windows import MotionWindows, motion_features
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import exp_to_quat, quat_from_yaw, quat_mul, quat_rotate, tan_norm
from hoigym.motions.state import MotionState
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.config import SceneConfig

JOINTS, KEY_BODIES = torch.arange(52), torch.arange(5, 22)


class Moving:
    """A random state of three humanoids with 53 bodies and one object."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        self.root_pos, self.root_quat = normal(3, 3), exp_to_quat(normal(3, 3))
        self.root_lin_vel, self.root_ang_vel = normal(3, 3), normal(3, 3)
        self.joint_rot, self.joint_vel = normal(3, 52, 3), normal(3, 52, 3)
        self.body_pos = normal(3, 53, 3)
        self.object_pos, self.object_lin_vel = normal(3, 1, 3), normal(3, 1, 3)


def test_width_is_the_published_one() -> None:
    assert motion_features(Moving(), JOINTS, KEY_BODIES, objects=0).shape == (3, 532)
    assert motion_features(Moving(), JOINTS, KEY_BODIES, objects=1).shape == (3, 538)


def test_columns() -> None:
    state = Moving()
    state.root_quat = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(3, 1)  # heading 0: nothing is turned
    row = motion_features(state, JOINTS, KEY_BODIES, objects=1)[1]
    assert row[0] == state.root_pos[1, 2]
    torch.testing.assert_close(row[1:7], torch.tensor([1.0, 0, 0, 0, 0, 1]))
    torch.testing.assert_close(row[7:10], state.root_lin_vel[1])
    torch.testing.assert_close(row[10:13], state.root_ang_vel[1])
    torch.testing.assert_close(row[13:64].view(17, 3), state.body_pos[1, KEY_BODIES] - state.root_pos[1])
    torch.testing.assert_close(row[64:67], state.object_pos[1, 0] - state.root_pos[1])
    torch.testing.assert_close(row[67:70], state.object_lin_vel[1, 0])
    torch.testing.assert_close(row[70:382].view(52, 6), tan_norm(exp_to_quat(state.joint_rot[1])))
    torch.testing.assert_close(row[382:].view(52, 3), state.joint_vel[1])


def test_turning_and_moving_the_world_changes_nothing() -> None:
    state = Moving()
    before = motion_features(state, JOINTS, KEY_BODIES, objects=1)
    turn = quat_from_yaw(torch.tensor(2.1))
    state.root_quat = quat_mul(turn.expand(3, 4), state.root_quat)
    for name in ("root_pos", "root_lin_vel", "root_ang_vel", "body_pos", "object_pos", "object_lin_vel"):
        values = getattr(state, name)
        setattr(state, name, quat_rotate(turn.expand(*values.shape[:-1], 4), values))
    for name in ("root_pos", "body_pos", "object_pos"):
        getattr(state, name)[..., :2] += torch.tensor([3.0, -4.0])
    torch.testing.assert_close(motion_features(state, JOINTS, KEY_BODIES, objects=1), before, atol=2e-5, rtol=0)


def test_a_window_shifts_and_begins_on_recorded_motion(make_env, library: MotionLibrary) -> None:
    env = make_env(num_envs=2, start=StartConfig(clip=0), episode=EpisodeConfig(length=5))
    windows = env.watch_motion(4)
    env.reset(seed=0, options={"start": torch.tensor([2, 20])})
    width = windows.width // 4
    lead = [windows._recorded[row] for row in (2, 2, 2, 2, 17, 18, 19, 20)]  # nothing lies before frame 2
    torch.testing.assert_close(windows._window, torch.stack(lead).view(2, 4, width))
    actions = env.reference_actions()
    first = env.step(actions)[4]["motion"].view(2, 4, width)
    state = env.sim.state
    present = motion_features(state, windows._joints, windows._key_bodies, objects=1)
    torch.testing.assert_close(first[:, :3], torch.stack(lead).view(2, 4, width)[:, 1:])
    torch.testing.assert_close(first[:, 3], present)
    for _ in range(2):
        env.step(actions)
    kept = first.clone()
    info = env.step(actions)[4]  # the episodes end: the window handed out is that before the reset
    assert bool(info["_final_obs"].all())
    assert torch.equal(info["motion"].view(2, 4, width)[:, 0], first[:, 3])
    assert torch.equal(first, kept)
    env.close()


def test_a_replayed_clip_gives_its_recorded_window(make_env, library: MotionLibrary) -> None:
    env = make_env(num_envs=1, start=StartConfig(clip=0))
    windows = env.watch_motion(3)
    state = env.sim.state
    rows = Rows.of(torch.ones(1, dtype=torch.bool))
    env.reset(seed=0, options={"start": torch.tensor([10])})
    for row in (11, 12, 13):
        env.sim.set_state(rows, MotionState.of(library.reference(torch.tensor([row]))))
        seen = windows.push(state, state.diverged)
    torch.testing.assert_close(seen.view(3, -1), windows._recorded[11:14], atol=1e-4, rtol=1e-4)
    env.close()


def test_demonstrations_are_whole_windows(make_env, library: MotionLibrary) -> None:
    env = make_env(num_envs=1)
    windows = MotionWindows(library, env.scene, 1, length=10)
    ends = windows._ends.tolist()
    assert ends == [*range(11, 40), *range(51, 70), *range(81, 120)]  # from frame 2 of each clip
    torch.manual_seed(0)
    shown = windows.demonstrate(5)
    assert shown.shape == (5, windows.width)
    torch.manual_seed(0)
    assert torch.equal(windows.demonstrate(5), shown)
    with pytest.raises(UserError, match="no clip has the 60 frames on end"):
        MotionWindows(library, env.scene, 1, length=60)
    env.close()


def test_locked_fingers_are_not_looked_at(make_env, library: MotionLibrary) -> None:
    env = make_env(num_envs=1, scene=SceneConfig(hands="locked"))
    windows = MotionWindows(library, env.scene, 1, length=1)
    assert windows.width == 13 + 9 * 22 + 3 * 7 + 6
    env.close()


def test_a_world_that_diverged_shows_its_last_good_state(make_env, library: MotionLibrary) -> None:
    env = make_env(num_envs=2)
    windows = MotionWindows(library, env.scene, 2, length=2)
    state = Moving()
    for name, value in vars(state).items():
        setattr(state, name, value[:2])
    windows.push(state, torch.tensor([False, False]))
    good = windows._window[:, -1].clone()
    state.root_pos = torch.full((2, 3), math.nan)
    seen = windows.push(state, torch.tensor([True, False])).view(2, 2, -1)
    assert torch.equal(seen[0, 1], good[0])
    assert np.isnan(seen[1, 1].numpy()).any()
    env.close()
