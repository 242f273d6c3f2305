import json
import os
import random
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hoigym.agents.config import AgentConfig
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.training import TrainingDiverged, TrainingResult, train
from hoigym.core.checkpoint import CheckpointError, list_checkpoints, load_checkpoint
from hoigym.core.errors import UserError
from hoigym.core.processes import Stopped, StopSignal
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv

NOT_OF_THE_RUN = {"wall_seconds", "versions", "tensors_sha256"}


def run(run_dir: Path, config: AgentConfig, env: ToyEnv | None = None, **options: Any) -> TrainingResult:
    return train(run_dir, env or ToyEnv(8), config, task="toy", **options)


def disturb_random_states() -> None:
    torch.manual_seed(999)
    np.random.seed(999)  # noqa: NPY002
    random.seed(999)


def assert_same_checkpoint(first: Path, second: Path) -> None:
    left, right = load_checkpoint(first), load_checkpoint(second)
    assert left.tensors.keys() == right.tensors.keys()
    different = [name for name, value in left.tensors.items() if not torch.equal(value, right.tensors[name])]
    assert different == []
    for name in left.state.keys() - NOT_OF_THE_RUN:
        assert left.state[name] == right.state[name], name


def curves(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run_dir / "summaries"), size_guidance={"scalars": 0})
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if not tag.startswith("performance/")]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten epochs without a stop."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    run(run_dir, quick(schedule="adaptive", kl_per_action=0.005))
    return run_dir


def test_a_run_is_a_folder(whole_run: Path) -> None:
    assert sorted(path.name for path in whole_run.iterdir()) == ["checkpoints", "config.yaml", "summaries"]
    assert [path.name for path in list_checkpoints(whole_run)] == ["epoch_000005", "epoch_000010"]
    config = yaml.safe_load((whole_run / "config.yaml").read_text())
    assert config["task"] == "toy"
    assert config["agent"]["hidden_sizes"] == [64, 64]
    state = load_checkpoint(list_checkpoints(whole_run)[-1]).state
    assert state["samples"] == 10 * 16 * 8
    assert state["task"] == "toy"
    assert state["versions"]["torch"] == metadata.version("torch")


def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(tmp_path: Path, whole_run: Path) -> None:
    config = quick(schedule="adaptive", kl_per_action=0.005, max_epochs=5)
    first = run(tmp_path / "run", config)
    assert first.epoch == 5
    disturb_random_states()
    second = run(tmp_path / "run", quick(schedule="adaptive", kl_per_action=0.005), resume=True)
    assert (second.epoch, second.samples, second.reason) == (10, 1280, "finished")
    assert_same_checkpoint(second.checkpoint, whole_run / "checkpoints" / "epoch_000010")
    assert curves(tmp_path / "run") == curves(whole_run)


def test_work_after_the_last_checkpoint_is_done_again(tmp_path: Path, whole_run: Path) -> None:
    """Stopped at epoch 8 with the last checkpoint at 5: the curves show every epoch once."""
    config = quick(schedule="adaptive", kl_per_action=0.005)

    class Broken(ToyEnv):
        def step(self, actions, /):
            if self.calls == 8 * 16:
                raise RuntimeError("the machine went away")
            self.calls += 1
            return super().step(actions)

    env = Broken(8)
    env.calls = 0  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError):
        run(tmp_path / "run", config, env)
    result = run(tmp_path / "run", config, resume=True)
    assert_same_checkpoint(result.checkpoint, whole_run / "checkpoints" / "epoch_000010")
    assert curves(tmp_path / "run") == curves(whole_run)


def test_damaged_newest_checkpoint_falls_back_with_a_warning(
    tmp_path: Path, whole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = quick(schedule="adaptive", kl_per_action=0.005)
    result = run(tmp_path / "run", config)
    (result.checkpoint / "tensors.safetensors").write_bytes(b"\0" * 100)
    capsys.readouterr()
    again = run(tmp_path / "run", config, resume=True)
    warning = capsys.readouterr().out.splitlines()[0]
    assert warning.startswith("warning: ")
    assert "epoch_000010: tensors.safetensors is damaged" in warning
    assert warning.endswith("using epoch_000005")
    assert_same_checkpoint(again.checkpoint, whole_run / "checkpoints" / "epoch_000010")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_with_a_checkpoint(tmp_path: Path, whole_run: Path, number: signal.Signals) -> None:
    class Interrupting(ToyEnv):
        def step(self, actions, /):
            if self.calls == 3 * 16 + 5:
                os.kill(os.getpid(), number)
            self.calls += 1
            return super().step(actions)

    config = quick(schedule="adaptive", kl_per_action=0.005)
    env = Interrupting(8)
    env.calls = 0  # type: ignore[attr-defined]
    earlier = signal.getsignal(number)
    result = run(tmp_path / "run", config, env)
    assert (result.reason, result.epoch) == ("stopped by signal", 4)
    assert result.checkpoint.name == "epoch_000004"
    assert signal.getsignal(number) is earlier
    result = run(tmp_path / "run", config, resume=True)
    assert_same_checkpoint(result.checkpoint, whole_run / "checkpoints" / "epoch_000010")


def test_time_limit_ends_with_a_checkpoint(tmp_path: Path) -> None:
    result = run(tmp_path / "run", quick(max_minutes=1e-4))
    assert (result.reason, result.epoch) == ("time is up", 1)
    assert result.checkpoint.name == "epoch_000001"
    assert run(tmp_path / "run", quick(max_minutes=1e-4), resume=True).epoch == 2


def test_time_limit_counts_what_was_done_before_the_first_epoch(tmp_path: Path) -> None:
    begin = time.monotonic() - 3600.0
    result = run(tmp_path / "run", quick(max_minutes=60.0), begin=begin)
    assert (result.reason, result.epoch) == ("time is up", 1)
    assert load_checkpoint(result.checkpoint).state["wall_seconds"] > 3600.0


def test_sample_limit(tmp_path: Path) -> None:
    result = run(tmp_path / "run", quick(max_samples=300))
    assert (result.reason, result.epoch, result.samples) == ("finished", 3, 384)
    with pytest.raises(UserError, match="has finished at epoch 3; raise max_epochs or max_samples"):
        run(tmp_path / "run", quick(max_samples=300), resume=True)


def test_nan_stops_with_one_line_and_the_last_good_checkpoint(tmp_path: Path) -> None:
    class Blowing(ToyEnv):
        def step(self, actions, /):
            obs, reward, *rest = super().step(actions)
            self.calls += 1
            return obs, reward * torch.nan if self.calls == 6 * 16 else reward, *rest

    env = Blowing(8)
    env.calls = 0  # type: ignore[attr-defined]
    message = r"training stopped in epoch 6: .* became nan; the last good checkpoint is .*epoch_000005"
    with pytest.raises(TrainingDiverged, match=message):
        run(tmp_path / "run", quick(), env)
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["epoch_000005"]


def test_folder_and_wish_must_agree(tmp_path: Path, whole_run: Path) -> None:
    with pytest.raises(UserError, match="already holds a run"):
        run(whole_run, quick())
    with pytest.raises(UserError, match="there is no run to resume in"):
        run(tmp_path / "nothing", quick(), resume=True)
    with pytest.raises(CheckpointError, match="was made with 8 environments, this run has 4"):
        run(whole_run, quick(max_epochs=11), ToyEnv(4), resume=True)
    with pytest.raises(CheckpointError, match=r"made with \(64, 64\) hidden layers"):
        run(whole_run, quick(max_epochs=11, hidden_sizes=(32,)), resume=True)


def test_changed_learning_rate_counts_when_resumed(tmp_path: Path) -> None:
    run(tmp_path / "run", quick(max_epochs=1))
    result = run(tmp_path / "run", quick(max_epochs=2, learning_rate=5e-4), resume=True)
    assert load_checkpoint(result.checkpoint).state["learning_rate"] == 5e-4


def test_config_says_what_the_run_goes_on_with(tmp_path: Path) -> None:
    """A second resume must not go back to what the first one changed; what was is kept."""

    def learning_rate(name: str = "config.yaml") -> float:
        return yaml.safe_load((tmp_path / "run" / name).read_text())["agent"]["learning_rate"]

    run(tmp_path / "run", quick(max_epochs=1))
    run(tmp_path / "run", quick(max_epochs=2, learning_rate=5e-4), resume=True)
    assert (learning_rate(), learning_rate("config_until_epoch_000001.yaml")) == (5e-4, 1e-3)
    with pytest.raises(UserError, match="has finished at epoch 2"):
        run(tmp_path / "run", quick(max_epochs=2, learning_rate=7e-4), resume=True)
    assert learning_rate() == 5e-4
    (tmp_path / "other").mkdir()
    run(tmp_path / "other", quick(max_epochs=1))
    (tmp_path / "other" / "checkpoints").rename(tmp_path / "other" / "away")
    run(tmp_path / "other", quick(max_epochs=1), resume=True)
    for name, files in {"run": 2, "other": 1}.items():
        assert len(list((tmp_path / name).glob("config*"))) == files


def test_another_environment_is_one_line(tmp_path: Path) -> None:
    class Other(ToyEnv):
        def state_dict(self):
            return super().state_dict() | {"sim.qpos": torch.zeros(8, 3)}

    run(tmp_path / "run", quick(max_epochs=1))
    message = r"epoch_000001 was made in another environment: sim.qpos was None, is \(8, 3\); a resumed run keeps"
    with pytest.raises(CheckpointError, match=message):
        run(tmp_path / "run", quick(max_epochs=2), Other(8), resume=True)


def test_other_versions_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run(tmp_path / "run", quick(max_epochs=1)).checkpoint / "state.json"
    state = json.loads(path.read_text())
    state["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(state))
    capsys.readouterr()
    run(tmp_path / "run", quick(max_epochs=2), resume=True)
    note = capsys.readouterr().out.splitlines()[0]
    assert note == f"note: no longer bit for bit the same run: torch 1.0 -> {metadata.version('torch')}"


def test_resume_before_the_first_checkpoint_starts(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert run(tmp_path / "run", quick(max_epochs=1), resume=True).epoch == 1


def test_warm_start_is_called_once(tmp_path: Path) -> None:
    calls: list[int] = []
    run(tmp_path / "run", quick(max_epochs=1), warm_start=lambda agent, _: calls.append(agent.epoch_num))
    run(tmp_path / "run", quick(max_epochs=2), warm_start=lambda agent, _: calls.append(-1), resume=True)
    assert calls == [0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_warm_start_it_begins_anew(
    tmp_path: Path, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    interrupted = True

    def warm_start(agent: PPOAgent, stop: StopSignal) -> None:
        with torch.no_grad():
            agent.policy.actor[0].weight.add_(torch.randn(()))  # pyright: ignore
        if interrupted:
            os.kill(os.getpid(), number)
        stop.check()

    config = quick(max_epochs=1)
    with pytest.raises(Stopped):
        run(tmp_path / "run", config, warm_start=warm_start)
    assert "stopping after this step; a second signal stops at once" in capfd.readouterr().err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]
    disturb_random_states()
    interrupted = False
    resumed = run(tmp_path / "run", config, warm_start=warm_start, resume=True)
    whole = run(tmp_path / "whole", config, warm_start=warm_start)
    assert_same_checkpoint(resumed.checkpoint, whole.checkpoint)
    assert len(list((tmp_path / "run").glob("config*"))) == 1


def test_torch_settings_come_back(tmp_path: Path) -> None:
    before = torch.get_float32_matmul_precision()
    run(tmp_path / "run", quick(max_epochs=1, precision="medium"))
    assert torch.get_float32_matmul_precision() == before


class Unwell(ToyEnv):
    """Counts a full buffer in every step; worlds 1 and 2 diverge in the last step of the second epoch."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs)
        self.calls = 0
        self.counters = {"diverged": torch.tensor(5), "full_contacts": torch.tensor(100)}

    def step(self, actions, /):
        *result, info = super().step(actions)
        self.calls += 1
        self.counters["full_contacts"] += 1
        if self.calls == 32:
            info["diverged"][1:3] = True
        return *result, info


def test_counters_and_incidents_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[Path, str]] = []

    class Kept:
        def save(self, folder: Path, name: str) -> list[Path]:
            asked.append((folder, name))
            return [folder / "x.npz"]

    run(tmp_path / "run", quick(max_epochs=3), Unwell(8), incidents=Kept())
    assert asked == [(tmp_path / "run" / "diverged", "epoch_000002")]
    points = curves(tmp_path / "run")
    assert points["health/full_contacts"] == [(128, 16.0), (256, 16.0), (384, 16.0)]
    assert points["health/diverged_worlds"] == [(128, 0.0), (256, 2.0), (384, 0.0)]
    assert "health/diverged" not in points
    out = capsys.readouterr().out
    assert "note: a world diverged; its last frames are" in out
    assert "diverged 2  full_contacts 48  lr" in out


TRAINING = """
import os, random, signal, sys, threading, time
from pathlib import Path
from hoigym.agents.training import train
from tests.agents.test_training import MANY_SAVES, newest_epoch
from tests.agents.toy_env import ToyEnv

run_dir, kill_at = Path(sys.argv[1]), int(sys.argv[2])


def kill():
    while newest_epoch(run_dir) < kill_at:
        time.sleep(0.002)
    time.sleep(0.05 * random.random())
    os.kill(os.getpid(), signal.SIGKILL)


# From within: another process might come too late where it is short of time.
if kill_at:
    threading.Thread(target=kill, daemon=True).start()
train(run_dir, ToyEnv(8), MANY_SAVES, task="toy", resume=True)
"""
MANY_SAVES = quick(max_epochs=60, save_every=1, keep_checkpoints=2, critic_warmup_epochs=2)


def newest_epoch(run_dir: Path) -> int:
    return max([int(path.name.removeprefix("epoch_")) for path in list_checkpoints(run_dir)], default=0)


@pytest.mark.slow
def test_killed_twice_it_ends_where_it_would_have(tmp_path: Path) -> None:
    """`kill -9` while it saves every epoch; the end equals that of a run left alone."""
    run_dir = tmp_path / "killed"
    run_dir.mkdir()
    for kill_at in (15, 40, 0):
        command = [sys.executable, "-c", TRAINING, str(run_dir), str(kill_at)]
        ended = subprocess.run(command, cwd=Path(__file__).parents[2])
        assert ended.returncode == (-signal.SIGKILL if kill_at else 0)
    run(tmp_path / "whole", MANY_SAVES)
    last = Path("checkpoints") / "epoch_000060"
    assert_same_checkpoint(run_dir / last, tmp_path / "whole" / last)
    assert curves(run_dir) == curves(tmp_path / "whole")
