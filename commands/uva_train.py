"""`run.py uva train`: a UVA model from a replay buffer, in two stages; or a run resumed."""

from collections.abc import Sequence
from typing import Any

from commands.config_parser import ConfigParser
from commands.learning_run import parse_run, recipe_layer, train_run
from conditioners.uva.training_config import UVATrainConfig


def parse_train(argv: Sequence[str]) -> tuple[UVATrainConfig, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    aliases = {"--data": ["data.path"], "--action_dim": ["model.inputs.action_dim"]}
    return parse_run("uva train", UVATrainConfig, argv, aliases)


def recipe_config(name: str) -> UVATrainConfig:
    """The training that a recipe describes; raises UserError for an unknown one."""
    return ConfigParser("run.py uva train", UVATrainConfig).resolve([recipe_layer("uva", name)], [])


def train(config: UVATrainConfig, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from conditioners.uva.training import train as fit

    train_run("uva train", config.for_stage(), options, fit)
