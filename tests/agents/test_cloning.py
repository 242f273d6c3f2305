import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from hoigym.agents.cloning import CloningError, clone_actor, load_weights
from hoigym.agents.policy import load_player, load_policy
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.training import train
from hoigym.commands.train import _pairs
from hoigym.core.processes import Stopped, StopSignal
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv

ROOT = Path(__file__).parents[2]


def expert_batches(count: int = 8) -> list[tuple[Tensor, Tensor]]:
    """Observations of the toy task and the action that runs straight to the target."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        place = 2.0 * torch.rand(2, 512, 2, generator=generator) - 1.0
        offset = place[1] - place[0]
        batches.append((torch.cat([place[0], place[1], offset], -1), (2.0 * offset).clamp(-0.8, 0.8)))
    return batches


def make_agent() -> PPOAgent:
    torch.manual_seed(0)
    agent = PPOAgent(ToyEnv(64), quick(critic_warmup_epochs=1))
    agent.init_tensors()
    return agent


def test_actor_repeats_the_targets() -> None:
    agent = make_agent()
    critic = [value.clone() for value in agent.policy.critic.parameters()]
    batches = expert_batches()
    error = clone_actor(agent.model, iter(batches), steps=600, batch_size=256, learning_rate=2e-3)
    obs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    mean = agent.policy.mean_action(agent.model.norm_obs(obs)).detach()
    assert error == pytest.approx(float((mean - targets).square().mean().sqrt()), rel=1e-5)
    assert error < 0.05
    assert all(map(torch.equal, critic, agent.policy.critic.parameters()))
    moments = agent.model.running_mean_std
    torch.testing.assert_close(moments.running_mean.float(), obs.mean(0), rtol=0, atol=1e-3)
    assert float(moments.count) == len(obs) + 1


def test_cloned_policy_is_good_at_once_and_stays_through_warm_up(tmp_path) -> None:
    """The first epoch already earns what training from scratch needs dozens for."""
    errors: list[float] = []

    def warm_start(agent: PPOAgent, _: StopSignal) -> None:
        errors.append(clone_actor(agent.model, expert_batches(), steps=400, learning_rate=2e-3))

    config = quick(max_epochs=1, critic_warmup_epochs=1, log_sigma=-2.9)
    cloned = train(tmp_path / "cloned", ToyEnv(64), config, task="toy", warm_start=warm_start)
    plain = train(tmp_path / "plain", ToyEnv(64), config, task="toy")
    assert errors[0] < 0.1
    assert cloned.mean_reward > plain.mean_reward + 0.15


def test_nothing_to_clone_is_refused() -> None:
    with pytest.raises(CloningError, match="no data"):
        clone_actor(make_agent().model, [])
    bad = torch.full((4, 6), torch.nan)
    with pytest.raises(CloningError, match="NaN"):
        clone_actor(make_agent().model, [(bad, torch.zeros(4, 2))])


def test_start_from_another_policy(tmp_path) -> None:
    run = tmp_path / "run"
    train(run, ToyEnv(8), quick(max_epochs=2), task="toy")
    agent = make_agent()
    load_weights(agent.model, load_policy(run))
    obs = torch.randn(5, 6)
    expected = load_player(run).act(obs)
    mean = agent.policy.mean_action(agent.model.norm_obs(obs)).clamp(-1, 1).detach()
    torch.testing.assert_close(mean, expected, rtol=0, atol=1e-6)
    wide = PPOAgent(ToyEnv(8), quick(hidden_sizes=(32, 32)))
    with pytest.raises(CloningError, match="not of the size"):
        load_weights(wide.model, load_policy(run))


class AtThird:
    """Stops before the third step."""

    def __init__(self) -> None:
        self.calls = 0

    def check(self) -> None:
        self.calls += 1
        if self.calls == 3:
            raise Stopped


def test_it_stops_between_steps() -> None:
    agent, stop = make_agent(), AtThird()
    with pytest.raises(Stopped):
        clone_actor(agent.model, expert_batches(1), steps=400, check_stop=stop.check)
    assert stop.calls == 3


def test_it_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    clone_actor(make_agent().model, expert_batches(1), steps=3, batch_size=8, progress_seconds=0.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"cloning start: step {step}/3" for step in (1, 2, 3)]
    assert all(re.fullmatch(r"[^ ].*  action error \d\.\d{4}  left 0:\d\d", line) for line in lines)
    clone_actor(make_agent().model, expert_batches(1), steps=3, batch_size=8, progress_seconds=3600.0)
    assert capsys.readouterr().out == ""


class Counting:
    """As much of an environment as collecting needs."""

    num_envs, device, config = 4096, torch.device("cpu"), SimpleNamespace(seed=0)
    steps = 0

    def reset(self) -> tuple[Tensor, dict[str, Tensor]]:
        return torch.zeros(4096, 2), {}

    def reference_actions(self) -> Tensor:
        return torch.zeros(4096, 1)

    def step(self, actions: Tensor) -> tuple[Tensor, ...]:
        self.steps += 1
        return (torch.zeros(4096, 2),)


def test_collecting_stops_between_steps(capsys: pytest.CaptureFixture[str]) -> None:
    env = Counting()
    with pytest.raises(Stopped):
        list(_pairs(env, AtThird(), 0.0))  # pyright: ignore[reportArgumentType]
    assert env.steps == 2
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "cloning start: collecting 1/4",
        "cloning start: collecting 2/4",
    ]


@pytest.mark.slow
def test_the_command_stops_in_the_cloning_start_and_does_it_anew(tmp_path: Path) -> None:
    """By SIGTERM while it collects, then, resumed, while it learns."""
    run = tmp_path / "run"
    small = ["--task", "locomotion", "--num_envs", "64", "--env.threads", "1", "--agent.hidden_sizes", "[16]"]
    endless = ["--clone_steps", "1000000", "--agent.progress_seconds", "0", "--run_dir", str(run)]
    sessions = {"cloning start: collecting 2/": [*small, *endless], "cloning start: step 3/": ["--resume", str(run)]}
    for line, options in sessions.items():
        status, out, err, seconds = stopped_at(line, options)
        assert (status, err.count("stopping after this step")) == (0, 1), err
        assert "stopped by signal before the first epoch; a resumed run begins anew\n" in out
        assert f"--resume {run}" in out
        assert seconds < 10.0  # a step takes hundredths of one, the rest is Python's end on a busy machine
        assert [path.name for path in run.iterdir()] == ["config.yaml"]


def stopped_at(line: str, options: list[str]) -> tuple[int, str, str, float]:
    """Exit status, outputs and seconds from SIGTERM on of a training that gets it as soon as it says the line."""
    command = [sys.executable, "run.py", "train", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert any(said.startswith(line) for said in process.stdout)
        process.terminate()
        begin = time.monotonic()
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err, time.monotonic() - begin
