"""What is left of a row that blew up."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.commands import replay
from hoigym.envs.config import EpisodeConfig, StartConfig
from hoigym.envs.last_frames import MOST_FILES
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.formats import load_clip
from hoigym.motions.rotations import quat_to_exp

MakeEnv = Callable[..., HOIVectorEnv]
LONG = EpisodeConfig(length=200, stop_at_clip_end=False, fall_height=None)


def blow_up(env: HOIVectorEnv, row: int) -> None:
    actions = env.reference_actions()
    actions[row] = math.nan
    info = env.step(actions)[4]
    assert info["diverged"].nonzero()[:, 0].tolist() == [row]


@pytest.mark.parametrize("steps", [7, 20])
def test_the_clip_holds_the_states_before_it_happened(make_env: MakeEnv, tmp_path: Path, steps: int) -> None:
    env = make_env(num_envs=3, episode=LONG, start=StartConfig(clip=0, frame=4))
    last = env.keep_last_frames(12)
    env.reset(seed=0)
    seen: dict[str, list[torch.Tensor]] = {"root_pos": [], "joint_rot": [], "object_rot": [], "joint_vel": []}
    targets = []
    for step in range(steps):
        state = env.sim.state
        for name in ("root_pos", "joint_rot", "joint_vel"):
            seen[name].append(getattr(state, name)[1].clone())
        seen["object_rot"].append(quat_to_exp(state.object_quat[1]))
        targets.append(env.drive_targets(env.reference_actions())[1])
        if step < steps - 1:
            env.step(env.reference_actions())
        else:
            blow_up(env, 1)
    for _ in range(15):  # the ring would be overwritten by now
        env.step(env.reference_actions())
    (path,) = last.save(tmp_path / "diverged", "epoch_3")
    assert path.name == "013_epoch_3_row_1.npz"
    clip = load_clip(path)
    kept = min(steps, 12)
    assert (clip.num_frames, clip.skill, clip.fps) == (kept, 13, 60.0)
    with np.load(path, allow_pickle=False) as entries:
        for name, values in seen.items():
            np.testing.assert_array_equal(entries[name], torch.stack(values[-kept:]).numpy(), err_msg=name)
        np.testing.assert_array_equal(entries["joint_target"][:-1], torch.stack(targets[-kept:-1]).numpy())
        assert np.isnan(entries["joint_target"][-1]).all()


def test_only_the_last_episode_and_at_least_what_a_clip_needs(make_env: MakeEnv, tmp_path: Path) -> None:
    env = make_env(num_envs=2, episode=EpisodeConfig(length=10, fall_height=None), start=StartConfig(clip=0, frame=4))
    last = env.keep_last_frames(60)
    env.reset(seed=0)
    for _ in range(10):
        env.step(env.reference_actions())
    assert env.progress.tolist() == [1, 1]
    start = env.sim.state.root_pos[0].clone()
    blow_up(env, 0)
    (path,) = last.save(tmp_path, "now")
    clip = load_clip(path)
    assert clip.num_frames == 4
    np.testing.assert_array_equal(clip.root_pos[-1], start.numpy())
    np.testing.assert_array_equal(clip.root_pos[0], clip.root_pos[2])


def test_a_few_files_are_enough_and_rows_go_on(make_env: MakeEnv, tmp_path: Path) -> None:
    env = make_env(num_envs=4, episode=LONG)
    last = env.keep_last_frames(8)
    env.reset(seed=0)
    for _ in range(5):
        for row in (0, 3):
            blow_up(env, row)
            env.step(env.reference_actions())
        last.save(tmp_path, f"turn_{row}_{_}")
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == MOST_FILES
    assert last.save(tmp_path, "again") == []
    assert all(load_clip(path).num_frames >= 4 for path in files)


def test_replay_shows_such_a_clip(make_env: MakeEnv, tmp_path: Path) -> None:
    env = make_env(num_envs=2, episode=LONG)
    last = env.keep_last_frames(8)
    env.reset(seed=0)
    for _ in range(6):
        env.step(env.reference_actions())
    blow_up(env, 1)
    (path,) = last.save(tmp_path, "shown")
    replay.main(["--motion_file", str(path), "--output", str(tmp_path / "sheet.png")])
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_watching_changes_nothing(make_env: MakeEnv) -> None:
    def rollout(watch: bool) -> torch.Tensor:
        env = make_env(num_envs=4, start=StartConfig(noise=0.5))
        if watch:
            env.keep_last_frames(8)
        env.reset(seed=0)
        for _ in range(12):
            obs = env.step(env.reference_actions())[0]
        return obs

    assert torch.equal(rollout(True), rollout(False))
