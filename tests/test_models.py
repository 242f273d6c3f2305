"""The policies that come with the repository do what their cards say, for a while."""

import contextlib
from pathlib import Path

import pytest
import torch

from hoigym.agents.policy import load_player
from hoigym.commands import play
from hoigym.envs.make import make_env

MODELS = Path(__file__).parents[1] / "models"
ROWS, SECONDS = 24, 3.0


@pytest.mark.parametrize("name", ["run", "walk_getup"])
def test_a_shipped_policy_stays_on_its_feet(name: str) -> None:
    """From any frame of its clips; who starts on the floor has three seconds to get up."""
    folder = MODELS / name
    options = ["--num_envs", f"{ROWS}", "--env.threads", "1", "--viewer", "none"]
    config = play.parse(["--checkpoint", str(folder), *options]).env
    player = load_player(folder, task=config.task)
    with contextlib.closing(make_env(config)) as env:
        obs, _ = env.reset(seed=0)
        fallen = torch.zeros(ROWS, dtype=torch.bool)
        for _ in range(round(SECONDS / env.sim.control_dt)):
            obs, _, terminated, _, _ = env.step(player.act(obs))
            fallen |= terminated
        upright = ~fallen & (env.sim.state.root_pos[:, 2] > 0.7)
    assert upright.float().mean() > 0.9
