"""`run.py play`: a trained policy at work."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.layers import CFG, read_layer
from commands.run_folder import env_layer
from envs.config import EnvConfig
from motions.errors import UserError

ALIASES = {
    "--motion_file": ["env.motion_file"],
    "--num_envs": ["env.num_envs"],
    "--engine": ["env.engine"],
    "--seed": ["env.seed"],
    "--state_init": ["env.start.frame"],
}


@dataclass(frozen=True)
class PlayConfig:
    """Run a policy in the environment of its run; cfg/play.yaml says what differs from training."""

    env: EnvConfig = field(default_factory=EnvConfig)


def main(argv: Sequence[str]) -> None:
    """Parses argv and plays."""
    config, options = parse(argv)
    _play(config, options)


def parse(argv: Sequence[str]) -> tuple[PlayConfig, dict[str, Any]]:
    """The configuration, and the options beside it (checkpoint, config, steps, output); raises UserError."""
    parser = ConfigParser("run.py play", PlayConfig, ALIASES)
    parser.add_argument("--checkpoint", type=Path | None, help="Run folder, checkpoint or shipped policy.")
    parser.add_argument("--config", type=Path | None, help="YAML file of your own.")
    parser.add_argument("--steps", type=int, default=600, help="Control steps to play.")
    parser.add_argument("--output", type=Path | None, help="Write an MP4, or PNGs into a folder.")
    given = parser.given(argv)
    if not given.get("checkpoint"):
        raise UserError(f"{COMMAND_LINE}: --checkpoint is missing: the run folder or policy to play")
    layers = [env_layer(given["checkpoint"]), read_layer(CFG / "play.yaml")]
    steps = given.get("steps", 600)
    if steps < 1:
        raise UserError(f"{COMMAND_LINE}: steps must be at least 1, not {steps}")
    if given.get("config"):
        layers.append(read_layer(given["config"]))
    return parser.resolve(layers, argv), {"output": None, **given, "steps": steps}


def _play(config: PlayConfig, options: dict[str, Any]) -> None:
    from gymnasium.spaces import flatdim

    from agents.player import load_player
    from commands.rollout import rollout
    from envs.vector_env import HOIVectorEnv

    with contextlib.closing(HOIVectorEnv(config.env)) as env, contextlib.ExitStack() as stack:
        player = load_player(
            options["checkpoint"],
            task=config.env.task,
            obs_size=flatdim(env.single_observation_space),
            device=env.device,
        )
        capture = None
        if options["output"]:
            from viewer.recorder import Recorder

            capture = stack.enter_context(Recorder(env, options["output"])).capture
        print(rollout(env, player.act, steps=options["steps"], after_step=capture))
