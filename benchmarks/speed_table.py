"""Tables of speeds: of tasks and numbers of worlds, and of what settings cost."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hoigym.agents.config import AgentConfig
from hoigym.benchmarks.throughput import Speed, measure
from hoigym.core.files import write_atomically
from hoigym.envs.config import EnvConfig

KNOBS: dict[str, dict[str, Any]] = {
    "as configured": {},
    "no self-collision": {"scene": {"self_collision": False}},
    "4 solver iterations": {"warp": {"solver_iterations": 4}, "scene": {"solver_iterations": 4}},
    "6 solver iterations": {"warp": {"solver_iterations": 6}, "scene": {"solver_iterations": 6}},
    "20 solver iterations": {"warp": {"solver_iterations": 20}, "scene": {"solver_iterations": 20}},
    "240 Hz": {"scene": {"physics_hz": 240}},
    "nconmax 32": {"warp": {"nconmax": 32}},
    "nconmax 128": {"warp": {"nconmax": 128}},
    "njmax 160": {"warp": {"njmax": 160}},
    "njmax 512": {"warp": {"njmax": 512}},
}
"""Name -> what it changes of an environment's configuration."""
_WARP_ONLY = ("nconmax", "njmax")


@dataclass(frozen=True)
class Case:
    """One row to measure; without agent only engine and environment are."""

    name: str
    env: EnvConfig
    agent: AgentConfig | None


def world_cases(name: str, env: EnvConfig, agent: AgentConfig, worlds: Sequence[int]) -> Iterator[Case]:
    """The configuration at several numbers of worlds."""
    for count in worlds:
        yield Case(name, replace(env, num_envs=count), agent)


def knob_cases(env: EnvConfig) -> Iterator[Case]:
    """The configuration with one setting changed after the other, those that its engine has."""
    for name, changes in KNOBS.items():
        if env.engine == "mujoco_warp" or not name.startswith(_WARP_ONLY):
            yield Case(name, _changed(env, changes), None)


def run(cases: Sequence[Case], seconds: float, output: Path | None, say: Callable[[str], None] = print) -> list[Speed]:
    """Measures the cases one by one; after each the table so far is in output/bench.json and bench.md."""
    speeds: list[Speed] = []
    for case in cases:
        speeds.append(measure(case.env, case.agent, seconds=seconds))
        if len(speeds) == 1:
            say(header())
        say(line(case.name, speeds[-1]))
        if output is not None:
            _write(cases, speeds, output)
    return speeds


def header() -> str:
    """The first lines of a Markdown table."""
    columns = ("case", "engine", "nv", "rows", "raw [steps/s]", "env [steps/s]", "env/raw", "PPO [samples/s]")
    columns += ("PPO/raw", "env/policy/update [%]", "precision", "memory [GiB]", "events per million row-steps")
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def line(name: str, speed: Speed) -> str:
    """One line of it."""
    shares = "/".join(f"{100 * speed.shares.get(part, 0.0):.0f}" for part in ("env", "policy", "update"))
    events = ", ".join(f"{what} {rate:.3g}" for what, rate in speed.events.items() if rate) or "none"
    cells = (
        *(name, speed.engine, speed.nv, f"{speed.rows:,}", f"{speed.raw:,.0f}", f"{speed.env:,.0f}"),
        f"{speed.env_ratio:.2f}",
        "-" if speed.ppo is None else f"{speed.ppo:,.0f}",
        "-" if speed.ppo_ratio is None else f"{speed.ppo_ratio:.2f}",
        shares if speed.shares else "-",
        speed.precision or "-",
        f"{speed.memory:.1f}",
        events,
    )
    return f"| {' | '.join(map(str, cells))} |"


def _write(cases: Sequence[Case], speeds: Sequence[Speed], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    named = list(zip((case.name for case in cases), speeds, strict=False))
    rows = [{"case": name, **asdict(speed)} for name, speed in named]
    table = "\n".join((header(), *(line(name, speed) for name, speed in named)))
    for file, text in (("bench.json", json.dumps(rows, indent=1)), ("bench.md", f"{speeds[0].device}\n\n{table}\n")):
        with write_atomically(output / file) as stream:
            stream.write(text.encode())


def _changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """A dataclass with some of its values replaced, nested ones as mappings."""
    values = {
        key: _changed(getattr(config, key), value) if isinstance(value, Mapping) else value
        for key, value in changes.items()
    }
    return replace(config, **values)
