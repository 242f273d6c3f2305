"""`run.py bench`: how fast the raw engine, the environment and training are, in one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoigym.commands.train import ALIASES, TrainConfig, task_and_recipe
from hoigym.core.config_parser import COMMAND_LINE, ConfigParser
from hoigym.core.errors import UserError

SUITE = {
    "ballplay, full hands": ("ballplay", "full"),
    "ballplay, locked hands": ("ballplay", "locked"),
    "locomotion, locked hands": ("locomotion", "locked"),
}
"""What --suite measures: name -> task and hands."""


@dataclass(frozen=True)
class BenchPlan:
    """configs: name -> what to measure at so many worlds each; knobs: of which to vary settings instead."""

    configs: dict[str, TrainConfig]
    worlds: tuple[int, ...]
    knobs: bool
    seconds: float
    output: Path | None


def main(argv: Sequence[str]) -> None:
    """Parses argv and measures."""
    plan = parse(argv)
    from hoigym.benchmarks.speed_table import Case, knob_cases, run, world_cases

    cases: list[Case] = []
    for name, config in plan.configs.items():
        worlds = plan.worlds or (config.env.num_envs,)
        cases += world_cases(name, config.env, config.agent, worlds)
    if plan.knobs:
        cases += knob_cases(next(iter(plan.configs.values())).env)
    run(cases, plan.seconds, plan.output)
    if plan.output:
        print(f"written: {plan.output / 'bench.md'}, {plan.output / 'bench.json'}")


def parse(argv: Sequence[str]) -> BenchPlan:
    """What to measure; raises UserError."""
    parser = ConfigParser("run.py bench", TrainConfig, ALIASES)
    parser.add_argument("--seconds", type=float, default=10.0, help="Time for each measurement.")
    parser.add_argument("--worlds", type=list[int], default=[], help="Numbers of worlds, as [2048, 4096].")
    parser.add_argument("--suite", action="store_true", help=f"Measure {', '.join(SUITE)} on the bundled clips.")
    parser.add_argument("--knobs", action="store_true", help="Also vary settings of the first case, one by one.")
    parser.add_argument("--output", type=Path | None, help="Folder for bench.json and bench.md.")
    given = parser.given(argv)
    seconds, worlds = float(given.get("seconds", 10.0)), tuple(given.get("worlds", ()))
    if not seconds > 0:
        raise UserError(f"{COMMAND_LINE}: seconds must be above 0, not {seconds}")
    if any(count < 1 for count in worlds):
        raise UserError(f"{COMMAND_LINE}: worlds must be 1 or more, not {list(worlds)}")
    configs = _suite(parser, given, argv) if given.get("suite") else {"": _config(parser, given, argv)}
    return BenchPlan(
        configs={name or _name(config): config for name, config in configs.items()},
        worlds=worlds,
        knobs=bool(given.get("knobs")),
        seconds=seconds,
        output=given.get("output"),
    )


def _suite(parser: ConfigParser[TrainConfig], given: dict[str, Any], argv: Sequence[str]) -> dict[str, TrainConfig]:
    for option in ("env.task", "env.motion_file", "env.scene.hands"):
        if option in given:
            raise UserError(f"{COMMAND_LINE}: --suite chooses task, clips and hands itself: leave out {option}")
    configs = {}
    for name, (task, hands) in SUITE.items():
        chosen = [*argv, "--env.task", task, "--env.scene.hands", hands]
        configs[name] = _config(parser, {**given, "env.task": task}, chosen)
    return configs


def _config(parser: ConfigParser[TrainConfig], given: dict[str, Any], argv: Sequence[str]) -> TrainConfig:
    return parser.resolve(task_and_recipe(given, []), argv)


def _name(config: TrainConfig) -> str:
    return f"{config.env.task}, {config.env.scene.hands} hands"
