"""`run.py eval`: how often a policy succeeds, and how closely it follows its reference."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.layers import read_layer
from commands.run_folder import env_layer
from envs.config import EnvConfig
from evaluation.settings import EvaluationSettings, Progress
from motions.atomic import make_folder
from motions.errors import UserError

if TYPE_CHECKING:
    from envs.vector_env import HOIVectorEnv
    from evaluation.report import Report
    from evaluation.simulated import Policy

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
    from commands.eval_progress import EvalProgress
    from evaluation.picture import draw_report
    from evaluation.report import markdown, write_report

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

    from agents.player import load_player
    from evaluation.evaluator import evaluate
    from evaluation.tables import load_table, own_table

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
