"""`run.py motions`: look at clips, convert them, make the demo clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.actions import parse_action


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
    from motions import commands

    if action == "info":
        commands.info(config.motion_file)
    elif action == "convert":
        commands.convert(config.motion_file, config.output, config.overwrite)
    else:
        commands.synth(config.output, config.overwrite)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    return parse_action("motions", ACTIONS, argv)
