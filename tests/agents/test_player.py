import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hoigym.agents.policy import FACTS_FILE, WEIGHTS_FILE, PlayerError, export_policy, load_player, load_policy
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.run_state import restore
from hoigym.agents.training import train
from hoigym.core.checkpoint import CheckpointError, list_checkpoints, load_checkpoint
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("player") / "run"
    train(run_dir, ToyEnv(64), quick(max_epochs=30, save_every=10), task="toy")
    return run_dir


@pytest.fixture
def exported(run: Path, tmp_path: Path) -> Path:
    return export_policy(run, tmp_path / "models" / "toy", {"recipe": "quick", "samples": 30_720})


def test_player_gives_the_mean_action_of_the_trained_model(run: Path) -> None:
    env = ToyEnv(64)
    agent = PPOAgent(env, quick())
    agent.init_tensors()
    restore(agent, env, load_checkpoint(list_checkpoints(run)[-1]))
    obs = 3.0 * torch.randn(100, 6)
    with torch.no_grad():
        mean = agent.model({"is_train": False, "obs": obs})["mus"]
    player = load_player(run)
    actions = player.act(obs)
    torch.testing.assert_close(actions, mean.clamp(-1, 1), rtol=0, atol=1e-6)
    assert actions.abs().max() == 1.0, "the test must reach the limits"
    assert torch.equal(actions, player.act(obs))


def test_run_checkpoint_and_export_play_alike(run: Path, exported: Path) -> None:
    obs = torch.randn(50, 6)
    newest = load_player(run).act(obs)
    assert torch.equal(load_player(list_checkpoints(run)[-1]).act(obs), newest)
    assert not torch.equal(load_player(list_checkpoints(run)[0]).act(obs), newest)
    torch.testing.assert_close(load_player(exported).act(obs), newest, rtol=0, atol=5e-3)


def test_export_is_small_and_says_what_it_is(run: Path, exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == [FACTS_FILE, WEIGHTS_FILE]
    tensors = load_file(exported / WEIGHTS_FILE)
    assert {name for name in tensors if "critic" in name} == set()
    assert all(value.dtype == torch.float16 for name, value in tensors.items() if name.startswith("actor."))
    assert tensors["obs_mean"].dtype == torch.float32
    facts = json.loads((exported / FACTS_FILE).read_text())
    assert (facts["task"], facts["obs_size"], facts["action_size"]) == ("toy", 6, 2)
    policy = load_policy(exported)
    assert policy.card == {"recipe": "quick", "samples": 30_720}
    assert (policy.obs_size, policy.action_size) == (6, 2)


def test_trained_player_reaches_the_target(exported: Path) -> None:
    env, player = ToyEnv(32), load_player(exported, task="toy", obs_size=6)
    obs = env.reset(seed=11)[0]
    for _ in range(8):
        obs, *_ = env.step(player.act(obs))
    assert obs[:, 4:].norm(dim=-1).mean() < 0.35


def test_what_does_not_fit_is_one_line(run: Path, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(PlayerError, match="is a policy for toy, not for ballplay"):
        load_player(exported, task="ballplay")
    with pytest.raises(PlayerError, match="takes observations of 6 numbers, the task gives 905"):
        load_player(run, obs_size=905)
    with pytest.raises(PlayerError, match="takes observations of 6 numbers, the task gives 5"):
        load_player(run).act(torch.zeros(2, 5))
    with pytest.raises(CheckpointError, match="there is no policy, checkpoint or run at"):
        load_player(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        load_player(tmp_path)


def test_damaged_exports_are_one_line(exported: Path) -> None:
    weights, facts = exported / WEIGHTS_FILE, exported / FACTS_FILE
    data, text = weights.read_bytes(), facts.read_text()
    weights.write_bytes(data[:100])
    with pytest.raises(CheckpointError, match="the policy cannot be read"):
        load_player(exported)
    weights.write_bytes(data)
    facts.write_text(text.replace('"obs_size": 6', '"obs_size": 7'))
    with pytest.raises(CheckpointError, match="weights do not fit its facts"):
        load_player(exported)
    facts.write_text(text.replace('"task"', '"tusk"'))
    with pytest.raises(CheckpointError, match="facts are incomplete"):
        load_player(exported)
    facts.write_text("{}")
    with pytest.raises(CheckpointError, match="not that of a policy"):
        load_player(exported)
