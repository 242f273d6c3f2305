"""`run.py play`: a trained policy at work."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.layers import CFG, read_layer
from commands.run_folder import env_layer
from envs.config import EnvConfig
from motions.errors import UserError
from viewer.picture import PictureConfig

ALIASES = {
    "--motion_file": ["env.motion_file"],
    "--num_envs": ["env.num_envs"],
    "--engine": ["env.engine"],
    "--seed": ["env.seed"],
    "--state_init": ["env.start.frame"],
}
MOST_FIGURES = 16


@dataclass(frozen=True)
class PlayConfig:
    """Run a policy in the environment of its run; cfg/play.yaml says what differs from training."""

    checkpoint: Path | None = None
    """Run folder, checkpoint or shipped policy."""
    steps: int = 600
    """Control steps to play."""
    output: Path | None = None
    """Write a video (.mp4) or a sheet of pictures (.png), of up to 16 environments side by side."""
    fps: float = 30.0
    """Pictures per second of the video."""
    speed: float = 1.0
    """Of the video; 1 is real time."""
    env: EnvConfig = field(default_factory=EnvConfig)
    picture: PictureConfig = field(default_factory=PictureConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "fps", "speed"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0, not {getattr(self, name)}")


def main(argv: Sequence[str]) -> None:
    """Parses argv and plays."""
    config = parse(argv)
    from gymnasium.spaces import flatdim

    from agents.player import load_player
    from envs.make import make_env

    assert config.checkpoint is not None
    with contextlib.closing(make_env(config.env)) as env:
        size = flatdim(env.single_observation_space)
        player = load_player(config.checkpoint, task=config.env.task, obs_size=size, device=env.device)
        if config.output is None:
            from commands.rollout import rollout

            print(rollout(env, player.act, steps=config.steps))
            return
        from viewer.record import open_recorder
        from viewer.rollout import watch

        rows = min(env.num_envs, MOST_FIGURES)
        ghost = config.picture.ghost != "off"
        with open_recorder(config.output, [config.steps], config.picture, config.fps, config.speed) as recorder:
            reward = watch(env, player.act, recorder, config.steps, rows=rows, ghost=ghost)
        print(f"{config.output}: {config.steps} steps, reward {reward:.3f}")


def parse(argv: Sequence[str]) -> PlayConfig:
    """The configuration: the run's environment < cfg/play.yaml < --config file < argv; raises UserError."""
    parser = ConfigParser("run.py play", PlayConfig, ALIASES)
    parser.add_argument("--config", type=Path | None, help="YAML file of your own.")
    given = parser.given(argv)
    if not given.get("checkpoint"):
        raise UserError(f"{COMMAND_LINE}: --checkpoint is missing: the run folder or policy to play")
    layers = [env_layer(given["checkpoint"]), read_layer(CFG / "play.yaml")]
    if given.get("config"):
        layers.append(read_layer(given["config"]))
    return parser.resolve(layers, argv)
