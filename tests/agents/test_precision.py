"""The precision that is measured in place of "auto"."""

import statistics
import time
from pathlib import Path

import pytest
import torch
import yaml
from gymnasium.spaces import Box

from hoigym.agents.config import AgentConfig, Precision
from hoigym.agents.network import ActorCritic
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.precision import Measured, quickest, settle_precision, step_seconds, timed_step
from hoigym.agents.rl_games_adapter import TrainingEnv
from hoigym.agents.training import train
from hoigym.commands import train as train_command
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"highest": 0.020, "bfloat16": 0.200}, "highest"),
        ({"highest": 0.020, "bfloat16": 0.020}, "highest"),
        ({"highest": 0.020, "bfloat16": 0.0185}, "highest"),  # by less than a tenth: noise
        ({"highest": 0.020, "bfloat16": 0.018}, "bfloat16"),
        ({"highest": 0.020, "bfloat16": 0.004}, "bfloat16"),
        ({"highest": 0.020, "high": 0.005, "bfloat16": 0.0048}, "high"),
        ({"highest": 0.020, "high": 0.019, "bfloat16": 0.010}, "bfloat16"),
    ],
)
def test_a_rounder_precision_must_be_clearly_quicker(seconds: dict[Precision, float], chosen: Precision) -> None:
    assert quickest(seconds) == chosen


def test_only_auto_is_measured_and_the_choice_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[AgentConfig] = []

    def measure(config: AgentConfig, env: TrainingEnv) -> Measured:
        calls.append(config)
        return 64, {"highest": 0.02, "bfloat16": 0.0041}

    asked = quick(precision="auto")
    assert settle_precision(asked, ToyEnv(8), measure=measure) == quick(precision="bfloat16")
    assert calls == [asked]
    line = "precision bfloat16: a gradient step on 64 rows takes highest 20 ms, bfloat16 4.1 ms\n"
    assert capsys.readouterr().out == line
    assert settle_precision(quick(precision="high"), ToyEnv(8), measure=measure) == quick(precision="high")
    assert (len(calls), capsys.readouterr().out) == (1, "")


@pytest.mark.parametrize("recipe", ["cpu", "fast"])
def test_recipes_leave_the_choice_to_the_machine(recipe: str) -> None:
    config, _ = train_command.parse(["--recipe", recipe])
    assert config.agent.precision == "auto"


def test_measuring_stops_where_the_next_rows_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock of our own: a row takes 1 ms in float32 and ten in bfloat16, or a thousandth of that."""
    now, per_row = 0.0, 1e-3

    def step(network: ActorCritic, obs: torch.Tensor, precision: Precision) -> float:
        nonlocal now
        spent = per_row * len(obs) * (10.0 if precision == "bfloat16" else 1.0)
        now += spent
        return spent

    monkeypatch.setattr("hoigym.agents.precision.timed_step", step)
    monkeypatch.setattr("hoigym.agents.precision.time.perf_counter", lambda: now)
    config = quick(minibatch_size=2048, horizon=256)
    rows, seconds = step_seconds(config, ToyEnv(8))
    assert (rows, now) == (16, pytest.approx(4 * 11 * 16e-3))
    assert seconds == {"highest": pytest.approx(16e-3), "bfloat16": pytest.approx(160e-3)}
    now, per_row = 0.0, 1e-6
    assert step_seconds(config, ToyEnv(8))[0] == 2048
    assert now < 1.0


def test_measuring_leaves_random_states_threads_and_products_as_they_were() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state(), torch.get_num_threads(), torch.get_float32_matmul_precision()
    rows, seconds = step_seconds(quick(), ToyEnv(8))
    assert rows == 32
    assert min(seconds.values()) > 0.0
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before[1:]


def test_a_run_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoigym.agents.precision.step_seconds", lambda *_: (8, {"highest": 1.0, "bfloat16": 0.5}))
    train(tmp_path / "run", ToyEnv(8), quick(max_epochs=1, precision="auto"), task="toy")
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["agent"]["precision"] == "bfloat16"
    agent = PPOAgent(ToyEnv(8), quick(precision="auto"))
    assert agent.settings.precision == "bfloat16"


def test_the_choice_is_hardly_slower_than_float32_here() -> None:
    """Processor times of steps in turn; medians, on one thread as the recipe has it."""
    config, _ = train_command.parse([])
    env = ToyEnv(256)
    env.single_observation_space, env.single_action_space = Box(-1.0, 1.0, (400,)), Box(-1.0, 1.0, (100,))
    chosen = settle_precision(config.agent, env).precision
    torch.manual_seed(0)
    network, obs = ActorCritic(400, 100, config.agent.hidden_sizes, -2.9), torch.randn(256, 400)
    times: dict[Precision, list[float]] = {"highest": [], chosen: []}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(10):
            for name, spent in times.items():
                spent.append(timed_step(network, obs, name, time.process_time))
    finally:
        torch.set_num_threads(threads)
    assert statistics.median(times[chosen]) < 1.2 * statistics.median(times["highest"])
