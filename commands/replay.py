"""`run.py replay`: clips as they are, without physics."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hoigym.commands.audience import AudienceConfig, attend
from hoigym.core.config_parser import COMMAND_LINE, ConfigParser
from hoigym.core.errors import UserError


@dataclass(frozen=True)
class ReplayConfig(AudienceConfig):
    """Show clips as they are, without physics."""

    motion_file: Path | None = None
    """Clip, or folder of clips."""
    clip: str = ""
    """Name or number (as `motions info` lists them) of one clip in a folder; all where empty."""
    graph_file: Path | None = None
    """Trajectory graph of the clips, whose links the viewer can follow."""


def main(argv: Sequence[str]) -> None:
    """Parses argv and replays."""
    config = parse(argv)
    from hoigym.motions.formats import load_clips

    assert config.motion_file is not None
    clips = load_clips(config.motion_file)
    if config.output is not None:
        _record(config, [clips[index] for index in _chosen(config, clips)], config.output)
        return
    from hoigym.motions.graph import TrajectoryGraph
    from hoigym.viewer.browser.replay_panel import ReplayPanel
    from hoigym.viewer.clip_session import ClipSession
    from hoigym.viewer.controls import Controls

    graph = TrajectoryGraph.load(config.graph_file) if config.graph_file else None
    session = ClipSession(clips, Controls(), graph)
    session.choose(_chosen(config, clips)[0])
    attend(config, session, lambda server: ReplayPanel(server, session))


def parse(argv: Sequence[str]) -> ReplayConfig:
    """The configuration; raises UserError."""
    config = ConfigParser("run.py replay", ReplayConfig).resolve([], argv)
    if config.motion_file is None:
        raise UserError(f"{COMMAND_LINE}: --motion_file is missing: the clip or folder to replay")
    if config.output is None and config.viewer == "none":
        raise UserError(f"{COMMAND_LINE}: --viewer none shows nothing; give the .mp4 or .png to write with --output")
    return config


def _chosen(config: ReplayConfig, clips: Sequence) -> list[int]:
    """Indices of the clips that are asked for."""
    chosen = [index for index, clip in enumerate(clips) if config.clip in ("", clip.name, str(index))]
    if not chosen:
        raise UserError(f"{COMMAND_LINE}: no clip '{config.clip}' in {config.motion_file}")
    return chosen


def _record(config: ReplayConfig, clips: Sequence, output: Path) -> None:
    from hoigym.viewer.recorder import open_recorder
    from hoigym.viewer.replay import replay

    lengths = [clip.num_frames for clip in clips]
    with open_recorder(output, lengths, config.picture, config.fps, config.speed) as recorder:
        replay(clips, recorder)
    print(f"{output}: {len(clips)} clips, {sum(lengths)} frames")
