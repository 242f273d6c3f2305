"""`run.py uniskill`: skills learned from videos."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from hoigym.adapters.uniskill.config import PolicyTraining, UniSkillConfig
from hoigym.commands.learning_run import parse_run, train_run
from hoigym.commands.uniskill_act import ActConfig
from hoigym.commands.uniskill_evaluate import EvaluateConfig
from hoigym.commands.uniskill_extract import ExtractConfig
from hoigym.commands.uniskill_record import RecordConfig
from hoigym.commands.uniskill_render import RenderConfig
from hoigym.core.config_parser import COMMAND_LINE, parse_action
from hoigym.core.errors import UserError


def parse_policy(argv: Sequence[str]) -> tuple[PolicyTraining, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    return parse_run("uniskill policy", PolicyTraining, argv)


def policy(config: PolicyTraining, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from hoigym.adapters.uniskill.policy_training import train_policy

    for name in ("rollouts", "table"):
        if not getattr(config, name):
            raise UserError(f"{COMMAND_LINE}: --{name} is missing")
    folder = train_run("uniskill policy", config, options, train_policy)
    print(f"carry out: python run.py uniskill act {folder} CLIPS --task TASK")


# --- `run.py uniskill train`: inverse and forward dynamics from pairs of pictures; or a run resumed -----------------


def parse_train(argv: Sequence[str]) -> tuple[UniSkillConfig, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    return parse_run("uniskill train", UniSkillConfig, argv, {"--data": ["data.path"]})


def train(config: UniSkillConfig, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from hoigym.adapters.uniskill.training import train as fit

    train_run("uniskill train", config, options, fit)


# --- `run.py uniskill`: skills learned from videos ------------------------------------------------------------------


ACTIONS = {
    "render": RenderConfig,
    "train": UniSkillConfig,
    "evaluate": EvaluateConfig,
    "extract": ExtractConfig,
    "record": RecordConfig,
    "policy": PolicyTraining,
    "act": ActConfig,
}
"""Action -> its configuration; it is the function of its name in commands/uniskill_<action>.py, if not below."""
# Actions whose options come in layers: how they are parsed, to a configuration and options beside it, and done.
_LAYERED: dict[str, tuple[Callable[[Sequence[str]], tuple[Any, dict[str, Any]]], Callable[..., None]]] = {
    "train": (parse_train, train),
    "policy": (parse_policy, policy),
}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of the actions."""
    action, config = parse(argv)
    if action in _LAYERED:
        _LAYERED[action][1](*config)
    else:
        getattr(importlib.import_module(f"hoigym.commands.uniskill_{action}"), action)(config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    if argv and argv[0] in _LAYERED:
        return argv[0], _LAYERED[argv[0]][0](argv[1:])
    return parse_action("uniskill", ACTIONS, argv)
