"""`run.py graph`: the trajectory graph of a set of clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hoigym.core.config_parser import parse_action


@dataclass(frozen=True)
class BuildConfig:
    """Link the frames of clips to similar frames of other skills."""

    motion_file: Path | None = None
    """Clip, or folder of clips."""
    output: Path | None = None
    """The .npz to write."""
    within_skill: bool = False
    """Whether frames are also linked to other clips of their own skill."""
    body_positions: Literal["kinematics", "stored"] = "kinematics"
    """Body positions by forward kinematics of the clip's joint angles, or as stored in the clip."""
    device: str = "cpu"
    overwrite: bool = False
    """Replace a file that is there."""


@dataclass(frozen=True)
class InfoConfig:
    """Print what is in a graph, and whether it belongs to some clips."""

    graph_file: Path | None = None
    motion_file: str = ""
    """Clips that it should have been built from; not asked where empty."""


@dataclass(frozen=True)
class DrawConfig:
    """Draw skills, links and similarities."""

    graph_file: Path | None = None
    output: Path | None = None
    """The .png, .svg or .pdf to write."""
    overwrite: bool = False
    """Replace a file that is there."""


ACTIONS = {"build": BuildConfig, "info": InfoConfig, "draw": DrawConfig}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of build, info, draw."""
    action, config = parse(argv)
    from hoigym.motions import graph_files

    if action == "build":
        graph_files.build(
            config.motion_file,
            config.output,
            within_skill=config.within_skill,
            body_positions=config.body_positions,
            device=config.device,
            overwrite=config.overwrite,
        )
    elif action == "info":
        graph_files.info(config.graph_file, config.motion_file or None)
    else:
        graph_files.draw(config.graph_file, config.output, config.overwrite)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    return parse_action("graph", ACTIONS, argv)
