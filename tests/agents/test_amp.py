"""The AMP agent: rewards, learning, an exact resume, and a run on the real environment."""

from pathlib import Path

import pytest
import torch

from hoigym.agents.amp import AMPAgent
from hoigym.agents.config import AMPConfig
from hoigym.agents.policy import load_player
from hoigym.agents.training import train
from hoigym.commands.train import main
from hoigym.core.checkpoint import CheckpointError, load_latest
from hoigym.core.errors import UserError
from tests.agents.settings import quick
from tests.agents.toy_env import RECORDED, MovingToyEnv, ToyEnv
from tests.core.test_processes import torchrun

AMP = AMPConfig(window=2, hidden_sizes=(32,), learning_rate=1e-3, batch_size=64, grad_penalty=0.2, replay_size=300)


WORKER = """
import sys
from pathlib import Path

import torch
from hoigym.agents.amp import AMPAgent
from hoigym.core.processes import join_ranks
from hoigym.agents.training import train
from tests.agents.settings import quick
from tests.agents.test_amp import AMP
from tests.agents.toy_env import MovingToyEnv

agents, join = [], AMPAgent.join
AMPAgent.join = lambda agent, ranks: (agents.append(agent), join(agent, ranks))[1]
folder = Path(sys.argv[1])
with join_ranks("cpu") as ranks:
    train(folder / "run", MovingToyEnv(8), quick(kind="amp", amp=AMP, max_epochs=2), task="toy", ranks=ranks)
torch.save(agents[0].extra_state(), folder / f"rank_{ranks.number}.pt")
"""


def make_agent(**changes) -> AMPAgent:
    torch.manual_seed(0)
    env = MovingToyEnv()
    agent = AMPAgent(env, quick(kind="amp", amp=AMP, **changes))
    agent.init_tensors()
    agent.current_obs = env.reset(seed=0)[0]
    return agent


def test_the_reward_is_that_of_the_discriminator_mixed_with_the_task() -> None:
    agent = make_agent()
    windows = agent.recorded.demonstrate(16)
    info = {"motion": windows, "reward_terms": {"near": torch.ones(16)}, "diverged": torch.arange(16) == 3}
    rewards, shaped = agent._shaped(0, torch.full((16,), 0.25), info)
    style = agent._style(windows)
    assert float(style.min().detach()) > 0.0
    style[3] = 0.0
    torch.testing.assert_close(rewards, style)
    torch.testing.assert_close(shaped["reward_terms"]["r_disc"], style)
    assert shaped["reward_terms"]["r_task"].tolist() == [0.25] * 16
    assert set(info["reward_terms"]) == {"near"}
    agent.amp = AMPConfig(task_weight=0.5, reward_weight=0.1)
    mixed, _ = agent._shaped(0, torch.full((16,), 0.25), info)
    torch.testing.assert_close(mixed, 0.125 + 0.1 * style)


def test_the_policy_learns_to_move_as_recorded(tmp_path: Path) -> None:
    env = MovingToyEnv(64)
    train(tmp_path / "run", env, quick(kind="amp", amp=AMP, max_epochs=30), task="toy")
    act = load_player(tmp_path / "run").act
    obs, _ = env.reset(seed=5)
    actions = torch.cat([act(obs := env.step(act(obs))[0]) for _ in range(5)])
    ahead, aside = actions.mean(0).tolist()
    assert abs(ahead - RECORDED) < 0.15
    assert abs(aside) < 0.15


def test_resume_is_exact(tmp_path: Path) -> None:
    def run(name: str, epochs: int, resume: bool = False) -> None:
        settings = quick(kind="amp", amp=AMP, max_epochs=epochs, save_every=1)
        train(tmp_path / name, MovingToyEnv(), settings, task="toy", resume=resume)

    run("whole", 4)
    run("cut", 2)
    run("cut", 4, resume=True)
    whole, cut = (load_latest(tmp_path / name)[0] for name in ("whole", "cut"))
    assert whole.tensors.keys() == cut.tensors.keys()
    parts = {name.split(".")[1] for name in whole.tensors if name.startswith("extra.")}
    assert parts == {"discriminator", "replay", "optimizer"}
    assert [name for name, value in whole.tensors.items() if not torch.equal(value, cut.tensors[name])] == []


def test_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs an environment that shows its motion"):
        AMPAgent(ToyEnv(), quick(kind="amp", amp=AMP))
    with pytest.raises(UserError, match=r"agent.amp.replay_keep must lie in 0..1, not 2.0"):
        AMPConfig(replay_keep=2.0)
    train(tmp_path / "run", MovingToyEnv(), quick(kind="amp", amp=AMP, max_epochs=1), task="toy")
    with pytest.raises(CheckpointError, match="was made with amp as its agent, this run has ppo"):
        train(tmp_path / "run", MovingToyEnv(), quick(max_epochs=2), task="toy", resume=True)
    wider = AMPConfig(window=2, hidden_sizes=(8,))
    with pytest.raises(CheckpointError, match="discriminator is not one of this run's size"):
        train(tmp_path / "run", MovingToyEnv(), quick(kind="amp", amp=wider, max_epochs=2), task="toy", resume=True)


@pytest.mark.slow
def test_two_processes_share_a_discriminator(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    torchrun(str(script), str(tmp_path))
    first, second = (torch.load(tmp_path / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, value in first.items():
        shared = not name.startswith("replay.windows")  # each has seen through windows of its own
        assert torch.equal(value, second[name]) == shared, name


@pytest.mark.slow
def test_the_recipe_on_the_real_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--num_envs=8", "--env.threads=1", "--horizon_length=8", "--clone_steps=0", "--agent.save_every=1"]
    new = ["--recipe=cpu+amp", "--agent.amp.hidden_sizes=[16]", *small]
    main([*new, f"--run_dir={tmp_path / 'whole'}", "--max_epochs=2"])
    assert "finished at epoch 2" in capsys.readouterr().out
    main([*new, f"--run_dir={tmp_path / 'cut'}", "--max_epochs=1"])
    main([f"--resume={tmp_path / 'cut'}", "--max_epochs=2"])
    whole, cut = (load_latest(tmp_path / name)[0].tensors for name in ("whole", "cut"))
    assert whole["env.motion.window"].shape[:2] == (8, 10)
    assert whole.keys() == cut.keys()
    assert [name for name, value in whole.items() if not torch.equal(value, cut[name])] == []
    curves = b"".join(path.read_bytes() for path in (tmp_path / "whole" / "summaries").iterdir())
    for tag in (b"discriminator/accuracy", b"reward_terms/r_disc", b"discriminator/grad_penalty"):
        assert tag in curves
