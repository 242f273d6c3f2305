"""Commands that are several actions, such as `run.py motions info`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from commands.config_parser import COMMAND_LINE, ConfigParser
from motions.errors import UserError
from motions.names import unknown_name


def parse_action(command: str, actions: Mapping[str, type], argv: Sequence[str]) -> tuple[str, Any]:
    """The action's name and its configuration; prints the actions and exits for --help.

    actions: name -> dataclass. Fields whose default is None must be given, and may stand in front without
    their names, as in `motions convert clips out`. Raises UserError.
    """
    arguments = list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: run.py {command} ACTION [PATH ...] [--option value ...]\n")
        for name, config_type in actions.items():
            print(f"  {name:<8} {config_type.__doc__}")
        raise SystemExit(0)
    action = arguments.pop(0)
    if action not in actions:
        raise UserError(f"{COMMAND_LINE}: {unknown_name('action', action, actions)}")
    required = [field.name for field in dataclasses.fields(actions[action]) if field.default is None]
    for place, name in enumerate(required):
        if place >= len(arguments) or arguments[place].startswith("-"):
            break
        arguments[place] = f"--{name}={arguments[place]}"
    config = ConfigParser(f"run.py {command} {action}", actions[action]).resolve([], arguments)
    for name in required:
        if getattr(config, name) is None:
            raise UserError(f"{COMMAND_LINE}: --{name} is missing")
    return action, config
