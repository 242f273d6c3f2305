"""Pictures of moments: each figure with its captions and contact strip, several figures as a grid."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hoigym.core.errors import UserError
from hoigym.rendering.camera import FollowCamera
from hoigym.rendering.renderer import SMALLEST, PoseRenderer, check_size
from hoigym.viewer.base import Moment, Setup

_INK, _FAINT, _PAPER = (20, 26, 34), (70, 80, 92), (255, 255, 255)
LABEL_ON, TOUCH_ON, OFF = (237, 115, 30), (0, 160, 225), (216, 221, 227)
_LANES = (("label", LABEL_ON), ("touch", TOUCH_ON))


class ContactHistory:
    """Contact of one figure over a known number of steps, as the strip shows it: label against touch."""

    def __init__(self, steps: int):
        self.on = np.zeros((2, max(steps, 1)), dtype=bool)
        self.count = 0

    def add(self, label: bool, touch: bool) -> None:
        """The next step: what the reference says and what is measured; left out beyond the known number."""
        if self.count < self.on.shape[1]:
            self.on[:, self.count] = label, touch
            self.count += 1


def caption_height(width: int, height: int) -> int:
    """Of the captions above a picture, in a tile of this size [pixels]."""
    return round(3.5 * _unit(width, height)) + _unit(width, height) // 2


def strip_height(width: int, height: int) -> int:
    """Of the contact strip below a picture, in a tile of this size [pixels]."""
    unit = _unit(width, height)
    return len(_LANES) * (_lane(unit) + unit // 2) + unit // 2


def frame_picture(picture: np.ndarray, moment: Moment, history: ContactHistory, height: int) -> np.ndarray:
    """The tile (height, W, 3) uint8: captions, picture (H, W, 3), contact strip."""
    width = picture.shape[1]
    tile = Image.new("RGB", (width, height), _PAPER)
    tile.paste(Image.fromarray(picture), (0, caption_height(width, height)))
    draw = ImageDraw.Draw(tile)
    _captions(draw, tile.size, moment)
    _strip(draw, tile.size, history)
    return np.asarray(tile)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _unit(width: int, height: int) -> int:
    """The size of small letters in a tile of this size."""
    return max(8, round(min(height, 0.75 * width) / 34))


def _lane(unit: int) -> int:
    return round(0.8 * unit)


def _captions(draw: ImageDraw.ImageDraw, size: tuple[int, int], moment: Moment) -> None:
    unit = _unit(*size)
    large, small = _font(round(1.5 * unit)), _font(unit)
    pad, second = unit // 2, unit // 2 + round(1.9 * unit)
    draw.text((pad, pad), moment.skill, font=large, fill=_INK)
    draw.text((pad, second), moment.caption, font=small, fill=_FAINT)
    draw.text((size[0] - pad, pad), f"{moment.time:.2f} s", font=large, fill=_INK, anchor="ra")
    if moment.reward is not None:
        draw.text((size[0] - pad, second), f"reward {moment.reward:.3f}", font=small, fill=_FAINT, anchor="ra")


def _strip(draw: ImageDraw.ImageDraw, size: tuple[int, int], history: ContactHistory) -> None:
    unit = _unit(*size)
    lane, pad = _lane(unit), unit // 2
    left, right = pad + round(3.2 * unit), size[0] - pad
    top = size[1] - strip_height(*size) + pad
    step = (right - left) / history.on.shape[1]
    for row, (name, colour) in enumerate(_LANES):
        y = top + row * (lane + pad)
        draw.text((pad, y + lane / 2), name, font=_font(unit), fill=_FAINT, anchor="lm")
        draw.rectangle((left, y, right, y + lane - 1), fill=OFF)
        for start, end in runs(history.on[row, : history.count]):
            draw.rectangle((left + start * step, y, left + end * step, y + lane - 1), fill=colour)
    now = left + history.count * step
    draw.line((now, top - pad // 2, now, size[1] - pad // 2), fill=_INK, width=max(1, unit // 8))


def runs(on: np.ndarray) -> list[tuple[int, int]]:
    """Stretches [start, end) in which on (T,) bool is set."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], on.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


# --- Paints moments: each figure with its captions and contact strip, several figures as a grid ---------------------


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
