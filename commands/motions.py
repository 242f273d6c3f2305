"""`run.py motions`: look at clips, convert them, make the demo clips."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.messages import unknown_name
from motions.errors import UserError


@dataclass(frozen=True)
class InfoConfig:
    """Print a table of the clips at a path."""

    motion_file: Path | None = None
    """Clip, or folder of clips."""


@dataclass(frozen=True)
class ConvertConfig:
    """Write clips of any known format as .npz, folders kept."""

    motion_file: Path | None = None
    """Clip, or folder of clips."""
    output: Path | None = None
    """Folder of the new files."""
    overwrite: bool = False
    """Replace files that are there."""


@dataclass(frozen=True)
class SynthConfig:
    """Generate the demo clips."""

    output: Path | None = None
    """Folder of the new files."""
    overwrite: bool = False
    """Replace files that are there."""


ACTIONS = {"info": InfoConfig, "convert": ConvertConfig, "synth": SynthConfig}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of info, convert, synth."""
    action, config = parse(argv)
    _run(action)(config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    arguments = list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: run.py motions ACTION [PATH] [--option value ...]\n")
        for name, kind in ACTIONS.items():
            print(f"  {name:<8} {kind.__doc__}")
        raise SystemExit(0)
    action = arguments.pop(0)
    if action not in ACTIONS:
        raise UserError(f"{COMMAND_LINE}: {unknown_name('action', action, ACTIONS)}")
    return action, _parse_action(action, arguments)


def _parse_action(action: str, arguments: list[str]) -> Any:
    required = [field.name for field in dataclasses.fields(ACTIONS[action]) if field.default is None]
    # Paths in front may stand without their names, as in `motions convert clips out`.
    for place, name in enumerate(required):
        if place >= len(arguments) or arguments[place].startswith("-"):
            break
        arguments[place] = f"--{name}={arguments[place]}"
    config = ConfigParser(f"run.py motions {action}", ACTIONS[action]).resolve([], arguments)
    for name in required:
        if getattr(config, name) is None:
            raise UserError(f"{COMMAND_LINE}: --{name} is missing")
    return config


def _run(action: str) -> Callable[[Any], object]:
    from motions import commands

    return {
        "info": lambda config: commands.info(config.motion_file),
        "convert": lambda config: commands.convert(config.motion_file, config.output, config.overwrite),
        "synth": lambda config: commands.synth(config.output, config.overwrite),
    }[action]
