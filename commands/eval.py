"""`run.py eval`: how often a policy succeeds, and how closely it follows its reference."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.layers import read_layer
from commands.run_folder import env_layer
from envs.config import EnvConfig
from motions.errors import UserError

ALIASES = {
    "--motion_file": ["env.motion_file"],
    "--engine": ["env.engine"],
    "--prompt": ["env.condition.prompt"],
}


@dataclass(frozen=True)
class EvalConfig:
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
    trials: int = 200
    """Trials of each skill, noisy start or switch; spread over the seeds."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of starts and noise."""
    metric: Literal["corrected", "published"] = "corrected"
    """The rules of success: corrected ones, or those of the published system."""
    horizon: float | None = None
    """Length of a trial [s]; 0 is to the end of the clip; 10 where left out."""
    rows: int = 0
    """Trials that run side by side; 0 chooses."""
    walk: int = 0
    """Ask for so many skills one after the other, along the trajectory graph (of --env.start.graph_file, or built)."""
    leg: float = 4.0
    """How long each skill of a walk is asked for [s]."""
    push: float = 0.0
    """Also measure success when every second a blow gives the body this speed [m/s]."""
    projectiles: Literal["off", "auto"] = "off"
    """auto: also measure success when boxes are thrown, in the rhythm and at the speed of the published system."""
    scatter: bool = False
    """Also measure success with the objects at random places around the humanoid, as published for pick-up."""
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


def _evaluate(config: EvalConfig, progress):
    from gymnasium.spaces import flatdim

    from agents.player import load_player
    from evaluation.evaluator import evaluate
    from evaluation.settings import EvaluationSettings
    from evaluation.tables import load_table, own_table

    checkpoint = config.checkpoint
    assert checkpoint is not None
    load_player(checkpoint, task=config.env.task)  # a broken policy is told before anything is built
    skeleton = config.env.scene.skeleton
    settings = EvaluationSettings(
        trials=config.trials,
        seeds=config.seeds,
        form=config.metric,
        horizon=config.horizon,
        rows=config.rows,
        walk=config.walk,
        leg=config.leg,
        push=config.push,
        projectiles=config.projectiles == "auto",
        scatter=config.scatter,
    )
    if config.table is not None:
        table = load_table(config.table, skeleton, config.published_row)
    else:
        table = own_table(skeleton, config.skill, config.switch)

    def policy(env):
        size = flatdim(env.single_observation_space)
        return load_player(checkpoint, task=config.env.task, obs_size=size, device=env.device).act

    return evaluate(config.env, table, settings, policy, checkpoint=str(checkpoint), progress=progress)
