"""Writes captions above a picture and the contact strip below it."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from viewer.base import Moment

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
