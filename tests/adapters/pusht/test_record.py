"""Rollouts of our own environments, and files of others, in the same buffer."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hoigym.adapters.uva.replay_buffer import ReplayWriter, read_replay
from hoigym.commands.uva import ImportConfig, import_hdf5
from hoigym.commands.uva_record import RecordConfig, record, record_rollouts
from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from hoigym.sim.scene.config import SceneConfig

ROOT = Path(__file__).parents[3]


@pytest.fixture
def env(demo_clips: dict[str, Clip]) -> HOIVectorEnv:
    walks = [clip for name, clip in demo_clips.items() if "walk" in name][:2]
    return HOIVectorEnv(EnvConfig(num_envs=2, threads=1, scene=SceneConfig(hands="locked")), MotionLibrary(walks))


def test_rollouts_are_stored_with_their_clean_actions(env: HOIVectorEnv, tmp_path: Path):
    config = RecordConfig(episodes=2, longest=32, size=32, stride=1, noise=0.05)
    writer = ReplayWriter(tmp_path / "rollouts.zarr")
    record_rollouts(env, lambda _: env.reference_actions(), writer, config)
    buffer = read_replay(tmp_path / "rollouts.zarr")
    assert buffer.episode_ends.tolist() == [32, 64]
    assert buffer.arrays["img"].shape == (64, 32, 32, 3)
    assert buffer.arrays["img"].std() > 1.0
    assert buffer.arrays["action"].shape == (64, env.single_action_space.shape[0])  # pyright: ignore[reportOptionalSubscript]
    # Reference actions are smooth; the noise that is carried out is not among them.
    steps = np.diff(buffer.arrays["action"][:32], axis=0)
    assert np.abs(steps).mean() < 0.02


def test_a_shipped_policy_is_recorded_past_the_episodes_of_its_training(tmp_path: Path):
    """Those last 60 control steps, which are 30 stored ones: shorter than a training window."""
    config = RecordConfig(
        ROOT / "models" / "walk_getup", tmp_path / "rollouts.zarr", episodes=1, longest=36, rows=1, size=16
    )
    record(config)
    buffer = read_replay(tmp_path / "rollouts.zarr")
    assert buffer.episode_ends.tolist() == [36]
    assert buffer.arrays["img"].shape == (36, 16, 16, 3)


def test_a_policy_that_falls_at_once_is_told(env: HOIVectorEnv, tmp_path: Path):
    actions = torch.ones(2, env.single_action_space.shape[0])  # pyright: ignore[reportOptionalSubscript]
    with pytest.raises(UserError, match="falls too soon"):
        record_rollouts(
            env, lambda _: actions, ReplayWriter(tmp_path / "none.zarr"), RecordConfig(size=16, stride=16, episodes=1)
        )


def test_hdf5_files_become_one_buffer(tmp_path: Path):
    source = tmp_path / "files"
    source.mkdir()
    for name in ("close_the_drawer", "open_the_drawer"):
        with h5py.File(source / f"{name}_demo.hdf5", "w") as file:
            demo = file.create_group("data/demo_0")
            demo["actions"] = np.zeros((4, 7))
            demo["obs/agentview_rgb"] = np.zeros((4, 8, 8, 3), np.uint8)
    import_hdf5(ImportConfig(source, tmp_path / "all.zarr"))
    buffer = read_replay(tmp_path / "all.zarr")
    assert buffer.episode_ends.tolist() == [4, 8]
    assert buffer.arrays["action"].shape == (8, 10)
    assert buffer.texts == ("close the drawer", "open the drawer")
    with pytest.raises(UserError, match="exists already"):
        import_hdf5(ImportConfig(source, tmp_path / "all.zarr"))


def test_a_file_that_cannot_be_read_leaves_nothing_in_the_way(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        import_hdf5(ImportConfig(tmp_path / "none.hdf5", tmp_path / "all.zarr"))
    assert not (tmp_path / "all.zarr").exists()
