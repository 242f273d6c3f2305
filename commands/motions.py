"""`run.py motions`: look at clips, convert them, make the demo clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoigym.core.config_parser import parse_action


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
    from hoigym.motions import clip_folder

    if action == "info":
        clip_folder.info(config.motion_file)
    elif action == "convert":
        clip_folder.convert(config.motion_file, config.output, config.overwrite)
    else:
        clip_folder.synth(config.output, config.overwrite)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    return parse_action("motions", ACTIONS, argv)
