"""`run.py uniskill`: skills learned from videos."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from commands.actions import parse_action
from commands.uniskill_act import ActConfig
from commands.uniskill_evaluate import EvaluateConfig
from commands.uniskill_extract import ExtractConfig
from commands.uniskill_policy import parse_policy
from commands.uniskill_record import RecordConfig
from commands.uniskill_render import RenderConfig
from commands.uniskill_train import parse_train
from conditioners.uniskill.config import UniSkillConfig
from conditioners.uniskill.policy_config import PolicyTraining

ACTIONS = {
    "render": RenderConfig,
    "train": UniSkillConfig,
    "evaluate": EvaluateConfig,
    "extract": ExtractConfig,
    "record": RecordConfig,
    "policy": PolicyTraining,
    "act": ActConfig,
}
"""Action -> its configuration; it is the function of its name in commands/uniskill_<action>.py."""
# Actions whose options come in layers are parsed by themselves, to a configuration and options beside it.
_LAYERED: dict[str, Callable[[Sequence[str]], tuple[Any, dict[str, Any]]]] = {
    "train": parse_train,
    "policy": parse_policy,
}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of the actions."""
    action, config = parse(argv)
    run = getattr(importlib.import_module(f"commands.uniskill_{action}"), action)
    if action in _LAYERED:
        run(*config)
    else:
        run(config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    if argv and argv[0] in _LAYERED:
        return argv[0], _LAYERED[argv[0]](argv[1:])
    return parse_action("uniskill", ACTIONS, argv)
