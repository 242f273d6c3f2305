"""`run.py replay`: clips as they are, without physics."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands.config_parser import COMMAND_LINE, ConfigParser
from motions.errors import UserError


@dataclass(frozen=True)
class ReplayConfig:
    """Show clips as they are, without physics."""

    motion_file: Path | None = None
    """Clip, or folder of clips."""
    clip: str = ""
    """Name or number (as `motions info` lists them) of one clip in a folder; all where empty."""
    output: Path | None = None
    """Write an MP4, or PNGs into a folder."""
    speed: float = 1.0
    """1 is real time."""


def main(argv: Sequence[str]) -> None:
    """Parses argv and replays."""
    config = parse(argv)
    from viewer.replay import replay

    from motions.formats import load_clips

    assert config.motion_file is not None
    clips = load_clips(config.motion_file)
    if config.clip:
        clips = [clip for index, clip in enumerate(clips) if config.clip in (clip.name, str(index))]
        if not clips:
            raise UserError(f"{COMMAND_LINE}: no clip '{config.clip}' in {config.motion_file}")
    replay(clips, output=config.output, speed=config.speed)


def parse(argv: Sequence[str]) -> ReplayConfig:
    """The configuration; raises UserError."""
    config = ConfigParser("run.py replay", ReplayConfig).resolve([], argv)
    if config.motion_file is None:
        raise UserError(f"{COMMAND_LINE}: --motion_file is missing: the clip or folder to replay")
    if not config.speed > 0:
        raise UserError(f"{COMMAND_LINE}: speed must be above 0, not {config.speed}")
    return config
