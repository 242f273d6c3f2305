"""`run.py eval`: how often a policy succeeds, and how closely it follows its reference."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hoigym.core.config import read_layer
from hoigym.core.config_parser import COMMAND_LINE, ConfigParser
from hoigym.core.errors import UserError
from hoigym.core.files import make_folder
from hoigym.core.run_folder import env_layer
from hoigym.envs.config import EnvConfig
from hoigym.evaluation.tables import EvaluationSettings, Progress

if TYPE_CHECKING:
    from hoigym.envs.vector_env import HOIVectorEnv
    from hoigym.evaluation.report import Report
    from hoigym.evaluation.trials import Policy


_EVERY = 0.5  # seconds between two lines that overwrite each other


class EvalProgress:
    """One line on standard error that is written over, if that is a terminal; else a line for each cell."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._name = ""
        self._begin = self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live and self._name:
            sys.stderr.write("\r\x1b[K")

    def show(self, name: str, step: int, steps: int) -> None:
        """Says that step of steps of the trials called name are done."""
        now = time.monotonic()
        if step == 0:
            self._begin = now
            if not self._live and name != self._name:
                print(f"{name} ...", file=sys.stderr, flush=True)
        self._name = name
        if self._live and now - self._last > _EVERY:
            self._last = now
            left = (now - self._begin) / max(step, 1) * (steps - step)
            sys.stderr.write(f"\r\x1b[K{name}: step {step} of {steps}, {left:.0f} s left")
            sys.stderr.flush()


# --- `run.py eval`: how often a policy succeeds, and how closely it follows its reference ---------------------------


ALIASES = {
    "--motion_file": ["env.motion_file"],
    "--engine": ["env.engine"],
    "--prompt": ["env.condition.prompt"],
}


@dataclass(frozen=True)
class EvalConfig(EvaluationSettings):
    """Evaluate a policy in the environment of its run: success rates, rewards and errors, as tables and a picture."""

    checkpoint: Path | None = None
    """Run folder, checkpoint or shipped policy."""
    table: str | None = None
    """A published table, of cfg/evaluation: ballplay, locomotion, pickup. Every skill of the clips where left out."""
    published_row: str = "ours"
    """Row of that table whose figures stand beside ours: ours, skillmimic, deepmimic or, for locomotion, amp."""
    skill: tuple[str, ...] = ()
    """Names of skills to evaluate in place of a table, as in "[layup, shot]"."""
    switch: tuple[str, ...] = ()
    """Switches to evaluate: "[dribble_left:layup]" starts in the first skill and asks for the second."""
    output: Path | None = None
    """Folder for report.json, report.md and report.png; output/eval-TIME where left out."""
    env: EnvConfig = field(default_factory=EnvConfig)


def main(argv: Sequence[str]) -> None:
    """Parses argv and evaluates."""
    config = parse(argv)
    from hoigym.evaluation.report import draw_report, markdown, write_report

    folder = config.output or Path("output") / f"eval-{time.strftime('%Y%m%d-%H%M%S')}"
    if config.output is not None:
        make_folder(config.output)  # where nothing can be written is told before anything is measured
    begin = time.monotonic()
    with EvalProgress() as progress:
        report = _evaluate(config, progress.show)
    paths = [*write_report(report, folder), folder / "report.png"]
    draw_report(report, paths[-1])
    print(markdown(report))
    print(f"{time.monotonic() - begin:.0f} s; written: {', '.join(map(str, paths))}")


def parse(argv: Sequence[str]) -> EvalConfig:
    """The configuration: the run's environment < --config file < argv; raises UserError."""
    parser = ConfigParser("run.py eval", EvalConfig, ALIASES)
    parser.add_argument("--config", type=Path | None, help="YAML file of your own.")
    given = parser.given(argv)
    if not given.get("checkpoint"):
        raise UserError(f"{COMMAND_LINE}: --checkpoint is missing: the run folder or policy to evaluate")
    layers = [env_layer(given["checkpoint"])]
    if given.get("config"):
        layers.append(read_layer(given["config"]))
    config = parser.resolve(layers, argv)
    if config.table is not None and (config.skill or config.switch):
        raise UserError(f"{COMMAND_LINE}: --table names its own skills: leave out --skill and --switch")
    if config.table is None and "published_row" in given:
        raise UserError(f"{COMMAND_LINE}: --published_row is one of a --table")
    return config


def _evaluate(config: EvalConfig, progress: Progress) -> "Report":
    from gymnasium.spaces import flatdim

    from hoigym.agents.policy import load_player
    from hoigym.evaluation.evaluator import evaluate
    from hoigym.evaluation.tables import load_table, own_table

    checkpoint = config.checkpoint
    assert checkpoint is not None
    load_player(checkpoint, task=config.env.task)  # a broken policy is told before anything is built
    skeleton = config.env.scene.skeleton
    if config.table is not None:
        table = load_table(config.table, skeleton, config.published_row)
    else:
        table = own_table(skeleton, config.skill, config.switch)

    def policy(env: "HOIVectorEnv") -> "Policy":
        size = flatdim(env.single_observation_space)
        return load_player(checkpoint, task=config.env.task, obs_size=size, device=env.device).act

    return evaluate(config.env, table, config, policy, checkpoint=str(checkpoint), progress=progress)
