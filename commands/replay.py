"""`run.py replay`: clips as they are, without physics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commands.config_parser import COMMAND_LINE, ConfigParser
from motions.errors import UserError
from viewer.picture import PictureConfig


@dataclass(frozen=True)
class ReplayConfig:
    """Show clips as they are, without physics."""

    motion_file: Path | None = None
    """Clip, or folder of clips."""
    clip: str = ""
    """Name or number (as `motions info` lists them) of one clip in a folder; all where empty."""
    output: Path | None = None
    """Write a video (.mp4) or a sheet of pictures (.png)."""
    fps: float = 30.0
    """Pictures per second of the video."""
    speed: float = 1.0
    """Of the video; 1 is real time."""
    picture: PictureConfig = field(default_factory=PictureConfig)

    def __post_init__(self) -> None:
        for name in ("fps", "speed"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0, not {getattr(self, name)}")


def main(argv: Sequence[str]) -> None:
    """Parses argv and replays."""
    config = parse(argv)
    from motions.formats import load_clips
    from viewer.record import open_recorder
    from viewer.replay import replay

    assert config.motion_file is not None
    assert config.output is not None
    clips = load_clips(config.motion_file)
    if config.clip:
        clips = [clip for index, clip in enumerate(clips) if config.clip in (clip.name, str(index))]
        if not clips:
            raise UserError(f"{COMMAND_LINE}: no clip '{config.clip}' in {config.motion_file}")
    lengths = [clip.num_frames for clip in clips]
    with open_recorder(config.output, lengths, config.picture, config.fps, config.speed) as recorder:
        replay(clips, recorder)
    print(f"{config.output}: {len(clips)} clips, {sum(lengths)} frames")


def parse(argv: Sequence[str]) -> ReplayConfig:
    """The configuration; raises UserError."""
    config = ConfigParser("run.py replay", ReplayConfig).resolve([], argv)
    if config.motion_file is None:
        raise UserError(f"{COMMAND_LINE}: --motion_file is missing: the clip or folder to replay")
    if config.output is None:
        raise UserError(f"{COMMAND_LINE}: --output is missing: the .mp4 or .png to write")
    return config
