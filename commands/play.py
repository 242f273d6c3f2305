"""`run.py play`: a trained policy at work."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hoigym.commands.audience import AudienceConfig, attend
from hoigym.commands.uniskill_extract import ExtractConfig, extract
from hoigym.conditioners.base import ConditionConfig
from hoigym.core.config import CFG, read_layer
from hoigym.core.config_parser import COMMAND_LINE, ConfigParser
from hoigym.core.errors import UserError
from hoigym.core.run_folder import env_layer
from hoigym.envs.config import EnvConfig

FOLDER = Path("output/prompts")
TABLE = ".npz"


def prompt_table(condition: ConditionConfig, model: str, depth_model: str) -> str:
    """The table of a condition's prompt: itself where it is one, else what a UniSkill model makes of the video or clip.

    model: that of the conditions that the policy was trained with, whose gap the prompt gets; without one an .npz is
    a table. Raises UserError.
    """
    from hoigym.conditioners.table import load_table

    prompt = condition.prompt
    path = Path(prompt)
    if not prompt or (path.suffix == TABLE and not model):
        return prompt
    if not model:
        raise UserError(
            f"{prompt}: a prompt that is no table needs --prompt_model, the UniSkill model to describe it with"
        )
    table = FOLDER / f"{path.stem}{TABLE}"
    trained = load_table(Path(condition.file)).meta
    config = ExtractConfig(path, table, model, gap=float(trained.get("gap", ExtractConfig.gap)), overwrite=True)
    extract(replace(config, depth_model=depth_model) if depth_model else config)
    return str(table)


# --- `run.py play`: a trained policy at work ------------------------------------------------------------------------


ALIASES = {
    "--motion_file": ["env.motion_file"],
    "--num_envs": ["env.num_envs"],
    "--engine": ["env.engine"],
    "--seed": ["env.seed"],
    "--state_init": ["env.start.frame"],
    "--prompt": ["env.condition.prompt"],
    "--conditioner": ["env.condition.kind"],
    "--planner": ["env.condition.planner"],
    "--sentences": ["env.condition.sentences"],
}
MOST_FIGURES = 16


@dataclass(frozen=True)
class PlayConfig(AudienceConfig):
    """Run a policy in the environment of its run; cfg/play.yaml says what differs from training."""

    checkpoint: Path | None = None
    """Run folder, checkpoint or shipped policy."""
    steps: int = 600
    """Control steps, with --output or --viewer none; a viewer plays until it is closed."""
    throw_every: float = 0.0
    """With --output: seconds between boxes thrown at every humanoid, 0 for none."""
    prompt_model: str = ""
    """UniSkill model that describes a --prompt that is a video: the one behind the policy's conditions."""
    prompt_depth: str = ""
    """Folder or hub id of the network that gives the depth of that video; the published one where empty."""
    env: EnvConfig = field(default_factory=EnvConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps <= 0:
            raise UserError(f"steps must be above 0, not {self.steps}")
        if self.throw_every < 0:
            raise UserError(f"throw_every must be 0 or more, not {self.throw_every}")
        if self.throw_every and self.output is None:
            raise UserError("throw_every is for --output; before an audience a key throws boxes")

    @property
    def live(self) -> bool:
        """Whether an audience looks on and steers."""
        return self.output is None and self.viewer != "none"


def main(argv: Sequence[str]) -> None:
    """Parses argv and plays."""
    config = parse(argv)
    from gymnasium.spaces import flatdim

    from hoigym.agents.policy import load_player
    from hoigym.envs.make import make_env

    assert config.checkpoint is not None
    with contextlib.closing(make_env(_with_prompt(_with_boxes(config), config))) as env:
        size = flatdim(env.single_observation_space)
        player = load_player(config.checkpoint, task=config.env.task, obs_size=size, device=env.device)
        if config.live:
            _steer(config, env, player)
        elif config.output is not None:
            _record(config, env, player, config.output)
        else:
            from hoigym.commands.rollout import rollout

            print(rollout(env, player.act, steps=config.steps))


def parse(argv: Sequence[str]) -> PlayConfig:
    """The configuration: the run's environment < cfg/play.yaml < --config file < argv; raises UserError.

    For an audience cfg/play_live.yaml comes after cfg/play.yaml.
    """
    parser = ConfigParser("run.py play", PlayConfig, ALIASES)
    parser.add_argument("--config", type=Path | None, help="YAML file of your own.")
    given = parser.given(argv)
    if not given.get("checkpoint"):
        raise UserError(f"{COMMAND_LINE}: --checkpoint is missing: the run folder or policy to play")
    layers = [env_layer(given["checkpoint"]), read_layer(CFG / "play.yaml")]
    if not given.get("output") and given.get("viewer") != "none":
        layers.append(read_layer(CFG / "play_live.yaml"))
    if given.get("config"):
        layers.append(read_layer(given["config"]))
    return parser.resolve(layers, argv)


def _with_boxes(config: PlayConfig) -> EnvConfig:
    from hoigym.evaluation.disturbance import with_projectiles

    return with_projectiles(config.env) if config.throw_every else config.env


def _with_prompt(env: EnvConfig, config: PlayConfig) -> EnvConfig:

    prompt = prompt_table(env.condition, config.prompt_model, config.prompt_depth)
    return replace(env, condition=replace(env.condition, prompt=prompt))


def _steer(config: PlayConfig, env: Any, player: Any) -> None:
    from hoigym.viewer.browser.play_panel import PlayPanel
    from hoigym.viewer.controls import Controls
    from hoigym.viewer.rollout import LiveRollout

    rows = min(env.num_envs, MOST_FIGURES)
    rollout = LiveRollout(env, player.act, Controls(), rows, ghost=config.picture.ghost != "off")
    attend(config, rollout, lambda server: PlayPanel(server, rollout))


def _record(config: PlayConfig, env: Any, player: Any, output: Path) -> None:
    from hoigym.viewer.recorder import open_recorder
    from hoigym.viewer.rollout import watch

    rows = min(env.num_envs, MOST_FIGURES)
    ghost = config.picture.ghost != "off"
    with open_recorder(output, [config.steps], config.picture, config.fps, config.speed) as recorder:
        steps, reward = watch(env, player.act, recorder, config.steps, rows, ghost, config.throw_every)
    print(f"{output}: {steps} steps, reward {reward:.3f}")
