"""`run.py uniskill train`: inverse and forward dynamics from pairs of pictures; or a run resumed."""

from collections.abc import Sequence
from typing import Any

from commands.learning_run import parse_run, train_run
from conditioners.uniskill.config import UniSkillConfig


def parse_train(argv: Sequence[str]) -> tuple[UniSkillConfig, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    return parse_run("uniskill train", UniSkillConfig, argv, {"--data": ["data.path"]})


def train(config: UniSkillConfig, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from conditioners.uniskill.training import train as fit

    train_run("uniskill train", config, options, fit)
