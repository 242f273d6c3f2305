"""What `run.py bench` measures, and the tables it writes."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hoigym.agents.config import AgentConfig
from hoigym.agents.ppo import PPOAgent
from hoigym.benchmarks import speed_table
from hoigym.benchmarks.speed_table import Case, knob_cases, line, run, world_cases
from hoigym.benchmarks.throughput import Speed, measure
from hoigym.commands.bench import SUITE, parse
from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.envs.make import task_config
from hoigym.sim.scene.config import SceneConfig

SPEED = Speed(
    task="ballplay",
    hands="full",
    nv=168,
    rows=4096,
    engine="mujoco_warp",
    device="GPU",
    raw=88_000.4,
    env=80_000.0,
    env_ratio=0.909,
    ppo=71_000.0,
    ppo_ratio=0.807,
    shares={"env": 0.8, "policy": 0.08, "update": 0.12},
    memory=2.7,
    events={"diverged": 0.0, "full_contacts": 12.5},
    precision="bfloat16",
)


def test_a_measurement_is_consistent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", time.process_time)  # stands still while others have the cores
    env = replace(task_config("ballplay", num_envs=4), threads=1, scene=SceneConfig(hands="locked"))
    agent = AgentConfig(hidden_sizes=(8,), horizon=2, mini_epochs=1)
    speed = measure(env, agent, seconds=0.05)
    assert speed.nv == 78
    assert 0.0 < speed.env_ratio < 1.0
    assert speed.env / speed.raw == pytest.approx(speed.env_ratio, rel=0.5)
    assert speed.ppo is not None
    assert 0 < speed.ppo < speed.env * 1.2
    assert speed.ppo_ratio == speed.ppo / speed.raw
    assert sum(speed.shares.values()) == pytest.approx(1.0, abs=0.2)
    assert measure(env, None, seconds=0.05).ppo is None


def test_training_is_measured_with_the_threads_of_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def noted(agent: PPOAgent) -> object:
        seen.append(torch.get_num_threads())
        return train_epoch(agent)

    train_epoch, before = PPOAgent.train_epoch, torch.get_num_threads()
    monkeypatch.setattr(PPOAgent, "train_epoch", noted)
    env = replace(task_config("locomotion", num_envs=2), threads=1)
    measure(env, AgentConfig(hidden_sizes=(8,), horizon=2, mini_epochs=1, threads=before + 1), seconds=0.02)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_a_line_of_the_table() -> None:
    assert line("full hands", SPEED) == (
        "| full hands | mujoco_warp | 168 | 4,096 | 88,000 | 80,000 | 0.91 | 71,000 | 0.81 | 80/8/12 | bfloat16"
        " | 2.7 | full_contacts 12.5 |"
    )


def test_tables_are_kept_up_while_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that dies in its second row leaves the first."""
    speeds = [SPEED]
    monkeypatch.setattr(speed_table, "measure", lambda env, agent, seconds: speeds.pop())
    cases = list(world_cases("mine", EnvConfig(), AgentConfig(), [64, 128]))
    assert [case.env.num_envs for case in cases] == [64, 128]
    with pytest.raises(IndexError):
        run(cases, 1.0, tmp_path, say=lambda text: None)
    (row,) = json.loads((tmp_path / "bench.json").read_text())
    assert (row["case"], row["raw"], row["events"]["full_contacts"]) == ("mine", 88_000.4, 12.5)
    assert (tmp_path / "bench.md").read_text().splitlines()[-1] == line("mine", SPEED)


def test_each_knob_changes_one_thing_that_its_engine_has() -> None:
    def changed(engine: str) -> dict[str, Case]:
        base = replace(EnvConfig(), engine=engine)  # pyright: ignore[reportArgumentType]
        cases = {case.name: case for case in knob_cases(base)}
        assert cases.pop("as configured").env == base
        assert all(case.env != base and case.agent is None for case in cases.values())
        return cases

    warp, plain = changed("mujoco_warp"), changed("mujoco")
    assert warp["njmax 512"].env.warp.njmax == 512
    assert warp["240 Hz"].env.scene.substeps == 4
    assert set(warp) - set(plain) == {"nconmax 32", "nconmax 128", "njmax 160", "njmax 512"}


def test_the_suite_covers_hands_and_tasks() -> None:
    plan = parse(["--suite", "--engine", "mujoco_warp", "--recipe", "fast", "--worlds", "[2048, 4096]", "--knobs"])
    assert list(plan.configs) == list(SUITE)
    found = {(config.env.task, config.env.scene.hands, config.env.num_envs) for config in plan.configs.values()}
    assert found == {("ballplay", "full", 4096), ("ballplay", "locked", 4096), ("locomotion", "locked", 4096)}
    assert plan.worlds == (2048, 4096)
    assert all(config.agent.hidden_sizes == (1024, 512, 512) for config in plan.configs.values())
    assert not plan.configs["locomotion, locked hands"].env.scene.objects


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--seconds", "-1"], "seconds must be above 0"),
        (["--worlds", "[0]"], "worlds must be 1 or more"),
        (["--suite", "--task", "locomotion"], "leave out env.task"),
    ],
)
def test_wrong_options_are_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(argv)
