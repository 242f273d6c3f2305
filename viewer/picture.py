"""Paints moments: each figure with its captions and contact strip, several figures as a grid."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from envs.drawing.camera import FollowCamera
from envs.drawing.renderer import SMALLEST, PoseRenderer, check_size
from motions.errors import UserError
from viewer.base import Moment, Setup
from viewer.overlay import ContactHistory, caption_height, frame_picture, strip_height

# Between a figure and its reference that stands beside it [m].
_BESIDE = 1.3


@dataclass(frozen=True)
class PictureConfig:
    """How clips and rollouts are drawn."""

    width: int = 640
    """Of one figure's picture [pixels]; less where more than four share a video."""
    height: int = 480
    """Of one figure's picture [pixels]; less where more than four share a video."""
    azimuth: float | None = None
    """Direction in which the camera looks [degrees]; from the humanoid's front right where left out."""
    ghost: Literal["off", "overlay", "beside"] = "overlay"
    """Whether and where the reference of a rollout is drawn."""
    text: bool = True
    """Whether skill, time and reward are written above, and the contact strip below."""


class Painter:
    """Paints the moments of one setup: `note` every step, `paint` those to be seen.

    Raises UserError for a size that cannot be drawn or has no room beside the text.
    """

    def __init__(self, config: PictureConfig, setup: Setup):
        config = _fitted(config, setup.figures)
        self._setup, self._config = setup, config
        width, height = config.width, _drawn_height(config)
        self._beside = _BESIDE if setup.ghost and config.ghost == "beside" else 0.0
        self._renderer = PoseRenderer(setup.skeleton, setup.objects, width, height, setup.ghost, setup.projectiles)
        self._cameras = [
            FollowCamera(setup.skeleton, width / height, config.azimuth, room_right=self._beside)
            for _ in range(setup.figures)
        ]
        self._histories = [ContactHistory(setup.steps) for _ in range(setup.figures)]
        self._unseen = 0  # steps since the last picture

    def note(self, moments: Sequence[Moment]) -> None:
        """Remembers a step for the contact strips."""
        self._unseen += 1
        for history, moment in zip(self._histories, moments, strict=True):
            history.add(moment.label, moment.touch)

    def paint(self, moments: Sequence[Moment]) -> np.ndarray:
        """One picture (H, W, 3) uint8 of the step last noted."""
        tiles = [self._tile(index, moment) for index, moment in enumerate(moments)]
        self._unseen = 0
        return grid(tiles)

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._renderer.close()

    def _tile(self, index: int, moment: Moment) -> np.ndarray:
        camera = self._cameras[index]
        view = camera.follow(moment.pose, self._unseen * self._setup.dt)
        picture = self._renderer.draw(moment.pose, view, moment.ghost, self._beside * camera.right)
        if not self._config.text:
            return picture
        return frame_picture(picture, moment, self._histories[index], self._config.height)


def _drawn_height(config: PictureConfig) -> int:
    """What captions and contact strip leave of the height."""
    width, height = config.width, config.height
    check_size(width, height)
    if not config.text:
        return height
    left = height - caption_height(width, height) - strip_height(width, height)
    if left < SMALLEST:
        raise UserError(f"picture size {width} x {height}: no room beside the text; larger, or --picture.text false")
    return left


def _columns(tiles: int) -> int:
    return math.ceil(math.sqrt(tiles))


def _fitted(config: PictureConfig, figures: int) -> PictureConfig:
    """Pictures so small that a grid of them is at most two full ones wide."""
    share = min(1.0, 2 / _columns(figures))
    return replace(config, width=round(share * config.width), height=round(share * config.height))


def grid(tiles: Sequence[np.ndarray], columns: int | None = None) -> np.ndarray:
    """Pictures of one size, (H, W, 3) each, in rows; by default about as many columns as rows."""
    columns = columns or _columns(len(tiles))
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0].shape[:2]
    sheet = np.full((rows * height, columns * width, 3), 255, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = tile
    return sheet
