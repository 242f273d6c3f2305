"""A training run on the real environment, cut in two, equals the uninterrupted one bit for bit."""

import dataclasses
from pathlib import Path

import pytest
import torch

from hoigym.agents.config import AgentConfig
from hoigym.agents.training import train
from hoigym.core.checkpoint import load_latest
from hoigym.envs.config import EpisodeConfig, StartConfig
from hoigym.envs.make import make_env, task_config
from hoigym.sim.scene.config import SceneConfig

ENV = dataclasses.replace(
    task_config("ballplay", num_envs=8),
    threads=1,
    scene=SceneConfig(hands="locked"),
    start=StartConfig(noise=0.2, switch=0.2, adaptive=1.0),
    episode=EpisodeConfig(length=12, max_root_error=0.5, max_object_error=0.5),
)
AGENT = AgentConfig(hidden_sizes=(32, 32), horizon=8, mini_epochs=2, save_every=1, threads=1, learning_rate=1e-3)


def _train(run_dir: Path, epochs: int, resume: bool = False) -> None:
    env = make_env(ENV)
    try:
        train(run_dir, env, dataclasses.replace(AGENT, max_epochs=epochs), task="ballplay", resume=resume)
    finally:
        env.close()


@pytest.mark.slow
def test_a_resumed_run_on_the_real_environment_is_exact(tmp_path: Path) -> None:
    _train(tmp_path / "whole", 6)
    _train(tmp_path / "cut", 3)
    _train(tmp_path / "cut", 6, resume=True)
    whole, cut = (load_latest(tmp_path / name)[0] for name in ("whole", "cut"))
    assert whole.tensors.keys() == cut.tensors.keys()
    assert any("sampler" in name for name in whole.tensors)
    different = [name for name, value in whole.tensors.items() if not torch.equal(value, cut.tensors[name])]
    assert different == []
    first = load_latest(tmp_path / "cut")[0].state["epoch"]
    assert first == 6
