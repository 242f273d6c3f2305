"""One policy trained by several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hoigym.agents.network import learn_moments
from hoigym.core.checkpoint import list_checkpoints, load_checkpoint
from hoigym.core.errors import UserError
from hoigym.core.processes import ALONE, Ranks, join_ranks

ROOT = Path(__file__).parents[2]
WORKER = """
import json, sys
from pathlib import Path

import torch
from hoigym.agents.network import learn_moments
from hoigym.agents.ppo import PPOAgent
from hoigym.core.processes import join_ranks
from hoigym.agents.training import train
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv

agents, join = [], PPOAgent.join
PPOAgent.join = lambda agent, ranks: (agents.append(agent), join(agent, ranks))[1]


class Moments:
    running_mean, running_var = torch.zeros(2).double(), torch.ones(2).double()
    count = torch.tensor(1.0).double()


def session(epochs, resume):
    warmed, env, kept = [], Counting(8), Kept()
    config = quick(max_epochs=epochs, save_every=2, schedule="adaptive", kl_per_action=0.005)
    result = train(run, env, config, task="toy", ranks=ranks, resume=resume, incidents=kept,
                   warm_start=lambda agent, stop: warmed.append(agent))
    agent = agents[-1]
    return {
        "model": {name: value.tolist() for name, value in agent.model.state_dict().items()},
        "adam": [
            agent.optimizer.state[weight][name].tolist()
            for group in agent.optimizer.param_groups
            for weight in group["params"]
            for name in ("exp_avg", "exp_avg_sq", "step")
        ],
        "learning_rate": agent.last_lr,
        "samples": result.samples,
        "epoch": result.epoch,
        "reward": result.mean_reward,
        "points": env.point.tolist(),
        "warmed": len(warmed),
        "kept": kept.names,
    }


class Counting(ToyEnv):
    # One event a step in the first process, ten in the second, where a world diverges at once.
    counters = {"full_contacts": torch.tensor(0)}
    fresh = True

    def step(self, actions, /):
        self.counters["full_contacts"] += 10 ** ranks.number
        *result, info = super().step(actions)
        info["diverged"] = torch.zeros(8, dtype=torch.bool)
        info["diverged"][0], self.fresh = self.fresh and not ranks.first, False
        return *result, info


class Kept:
    def __init__(self):
        self.names = []

    def save(self, folder, name):
        self.names.append(name)
        return []


folder = Path(sys.argv[1])
run = folder / "run"
with join_ranks("cpu") as ranks:
    facts = {"new": session(4, False), "resumed": session(6, True)}
    moments = Moments()
    learn_moments(moments, torch.arange(12.0).view(2, 3, 2)[ranks.number] ** 2, ranks)
    facts["moments"] = [moments.running_mean.tolist(), moments.running_var.tolist(), float(moments.count)]
(folder / f"rank_{ranks.number}.json").write_text(json.dumps(facts))
"""
ALIKE = ("adam", "learning_rate", "samples", "epoch", "reward")


def torchrun(*arguments: str, processes: int = 2) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    # Long enough for a machine that is ten times slower; for processes that wait for each other in vain.
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_processes_train_one_policy_and_go_on(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    out = torchrun(str(script), str(tmp_path))
    first, second = (json.loads((tmp_path / f"rank_{rank}.json").read_text()) for rank in (0, 1))
    for session in ("new", "resumed"):
        here, there = first[session], second[session]
        assert [name for name, value in here["model"].items() if value != there["model"][name]] == []
        assert [name for name in ALIKE if here[name] != there[name]] == []
        assert here["points"] != there["points"]  # each has a seed of its own
    assert (first["new"]["samples"], first["new"]["epoch"]) == (4 * 16 * 8 * 2, 4)
    assert (first["resumed"]["samples"], first["resumed"]["epoch"]) == (6 * 16 * 8 * 2, 6)
    assert (first["new"]["warmed"], second["new"]["warmed"], first["resumed"]["warmed"]) == (1, 0, 0)
    assert first["new"]["model"] != first["resumed"]["model"]
    # Each process has diverged worlds of its own to keep.
    assert first["new"]["kept"] + first["resumed"]["kept"] == ["epoch_000001", "epoch_000005"]
    assert second["new"]["kept"] + second["resumed"]["kept"] == ["epoch_000001_process_1", "epoch_000005_process_1"]

    assert out.count("epoch 4/4") == out.count("epoch 6/6") == 1
    for epochs, line in {4: "epoch 4/4", 2: "epoch 6/6"}.items():  # of a session
        assert f"full_contacts {11 * 16 * epochs}  lr" in out[out.index(line) :].splitlines()[0]
    kept = list_checkpoints(tmp_path / "run")
    assert [path.name for path in kept] == ["epoch_000002", "epoch_000004", "epoch_000006"]
    stored = load_checkpoint(kept[-1]).section("model")
    assert all(value.tolist() == first["resumed"]["model"][name] for name, value in stored.items())
    assert len(list((tmp_path / "run" / "summaries").iterdir())) == 2  # one of each session

    # What two processes pooled equals what one learns from all samples at once.
    class Moments:
        running_mean = torch.zeros(2).double()
        running_var = torch.ones(2).double()
        count = torch.tensor(1.0).double()

    moments = Moments()
    learn_moments(moments, torch.arange(12.0).view(6, 2) ** 2)
    mean, variance, count = first["moments"]
    assert second["moments"] == first["moments"]
    assert count == float(moments.count) == 7.0
    assert mean == pytest.approx(moments.running_mean.tolist())
    assert variance == pytest.approx(moments.running_var.tolist())


@pytest.mark.slow
def test_the_train_command_under_torchrun(tmp_path: Path) -> None:
    options = ["--task", "ballplay", "--recipe", "cpu", "--num_envs", "256", "--env.threads", "1", "--clone_steps", "2"]
    options += ["--max_epochs", "1", "--horizon_length", "2", "--agent.hidden_sizes", "[16]"]
    out = torchrun("run.py", "train", *options, "--run_dir", str(tmp_path / "run"))
    assert out.count("finished at epoch 1, 1024 samples") == 1
    assert out.count("cloning start: action error") == 1
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["epoch_000001"]


def test_alone_nothing_changes() -> None:
    values = torch.tensor([1.0, 2.0])
    assert ALONE.mean(values) is values
    assert ALONE.sum(values) is values
    assert ALONE.agree("x") == "x"
    assert ALONE.seed(7) == ALONE.seed(7, epoch=3) == 7
    with join_ranks("cpu") as ranks:
        assert ranks == ALONE


def test_more_processes_than_gpus_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="process 1 has no GPU, there are 1"), join_ranks("cuda"):
        pass


def test_one_gpu_for_all_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="leave warp.device at cuda, not cuda:1"), join_ranks("cuda:1"):
        pass


def test_seeds_differ_by_process_and_by_session() -> None:
    seeds = {Ranks(number, 4).seed(5, epoch) for number in (1, 2, 3) for epoch in (0, 10)}
    assert len(seeds | {5}) == 7
