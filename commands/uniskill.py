"""`run.py uniskill`: skills learned from videos."""

from collections.abc import Callable, Sequence
from typing import Any

from commands.actions import parse_action
from commands.uniskill_render import RenderConfig
from commands.uniskill_train import parse_train
from conditioners.uniskill.config import UniSkillConfig

ACTIONS = {"render": RenderConfig, "train": UniSkillConfig}
# Actions whose options come in layers are parsed by themselves.
_LAYERED: dict[str, Callable[[Sequence[str]], tuple[Any, dict[str, Any]]]] = {"train": parse_train}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of the actions."""
    action, config = parse(argv)
    if action == "render":
        from commands.uniskill_render import render

        render(config)
    elif action == "train":
        from commands.uniskill_train import train

        train(*config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration, with the options beside it for `train`; raises UserError."""
    if argv and argv[0] in _LAYERED:
        return argv[0], _LAYERED[argv[0]](argv[1:])
    return parse_action("uniskill", ACTIONS, argv)
