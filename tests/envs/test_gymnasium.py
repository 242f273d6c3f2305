"""The environment under gymnasium's registry and wrappers, and under another RL library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import vector as wrappers

import hoigym  # noqa: F401  (registers)
from hoigym.envs.config import EpisodeConfig, StartConfig
from hoigym.envs.vector_env import HOIVectorEnv

MakeEnv = Callable[..., HOIVectorEnv]
SHORT = {"episode": EpisodeConfig(length=6), "start": StartConfig(clip=0, frame=2)}


@pytest.mark.parametrize(("name", "objects"), [("BallPlay", 1), ("Locomotion", 0)])
def test_make_vec_makes_registered_tasks(name: str, objects: int) -> None:
    env = gymnasium.make_vec(f"hoigym/{name}-v0", num_envs=3, threads=1)
    obs, _ = env.reset(seed=0)
    assert isinstance(env.unwrapped, HOIVectorEnv)
    assert obs.shape == (3, 902)
    assert env.unwrapped.scene.num_objects == objects
    assert env.unwrapped.config.task == name.lower()
    env.close()


def test_make_vec_takes_nested_settings() -> None:
    env = gymnasium.make_vec("hoigym/BallPlay-v0", num_envs=2, threads=1, scene={"hands": "locked"})
    assert isinstance(env.unwrapped, HOIVectorEnv)
    assert env.unwrapped.scene.model.nv == 78
    env.close()


def test_gymnasium_counts_returns_of_whole_episodes(make_env: MakeEnv) -> None:
    inner = wrappers.ArrayConversion(make_env(**SHORT), env_xp=torch, target_xp=np)
    env = wrappers.RecordEpisodeStatistics(inner)
    env.reset(seed=0)
    rewards = []
    for _ in range(5):
        _, reward, _, truncated, info = env.step(np.zeros((4, 156), np.float32))
        rewards.append(reward)
    assert truncated.all()
    np.testing.assert_allclose(info["episode"]["r"], np.sum(rewards, axis=0), rtol=1e-6)
    np.testing.assert_array_equal(info["episode"]["l"], [5, 5, 5, 5])


def test_gymnasium_rescales_actions_of_tensors(make_env: MakeEnv) -> None:
    plain, rescaled = make_env(**SHORT), wrappers.RescaleAction(make_env(**SHORT), -2.0, 2.0)
    plain.reset(seed=0)
    rescaled.reset(seed=0)
    actions = torch.full((4, 156), 0.1)
    torch.testing.assert_close(plain.step(actions)[0], rescaled.step(2 * actions)[0], atol=1e-4, rtol=1e-4)


def test_gymnasium_normalises_rewards(make_env: MakeEnv) -> None:
    env = wrappers.NormalizeReward(wrappers.ArrayConversion(make_env(**SHORT), env_xp=torch, target_xp=np))
    env.reset(seed=0)
    for _ in range(12):
        reward = env.step(np.zeros((4, 156), np.float32))[1]
    assert isinstance(reward, np.ndarray)
    assert np.isfinite(reward).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Recorded episodes will not contain")
def test_gymnasium_records_a_video(make_env: MakeEnv, tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    inner: Any = make_env(**SHORT, num_envs=2, render_mode="rgb_array")
    env = wrappers.RecordVideo(inner, str(tmp_path), video_length=4)
    env.reset(seed=0)
    for _ in range(5):
        env.step(torch.zeros(2, 156))
    env.close()
    videos = list(tmp_path.glob("*.mp4"))
    assert videos
    assert all(video.stat().st_size > 1000 for video in videos)


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
def test_skrl_steps_the_environment(make_env: MakeEnv) -> None:
    skrl_env = pytest.importorskip("skrl.envs.wrappers.torch").wrap_env(make_env(**SHORT))
    plain = make_env(**SHORT)
    obs, _ = plain.reset(seed=0)
    assert skrl_env.num_envs == 4
    skrl_obs, _ = skrl_env.reset()
    assert skrl_obs.shape == obs.shape
    for step in range(1, 6):
        skrl_obs, reward, terminated, truncated, _ = skrl_env.step(torch.zeros(4, 156))
        _, wanted, _, _, _ = plain.step(torch.zeros(4, 156))
        assert torch.equal(reward[:, 0], wanted)
        assert truncated.all() == (step == 5)
        assert not terminated.any()
