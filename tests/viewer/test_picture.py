"""Tiles, captions and the contact strip."""

import numpy as np
import pytest

from hoigym.core.errors import UserError
from hoigym.viewer.picture import (
    ContactHistory,
    Painter,
    PictureConfig,
    caption_height,
    frame_picture,
    grid,
    strip_height,
)
from tests.viewer.moments import moment, setup

WIDTH, HEIGHT = 240, 180
ORANGE, BLUE, GREY = (237, 115, 30), (0, 160, 225), (216, 221, 227)


def tile(history: ContactHistory) -> np.ndarray:
    """A black picture in its frame."""
    inner = HEIGHT - caption_height(WIDTH, HEIGHT) - strip_height(WIDTH, HEIGHT)
    return frame_picture(np.zeros((inner, WIDTH, 3), np.uint8), moment(3), history, HEIGHT)


def lane(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Columns of the strip in which colour occurs."""
    strip = picture[-strip_height(WIDTH, HEIGHT) :]
    return np.flatnonzero((strip == colour).all(axis=2).any(axis=0))


def test_the_strip_shows_label_and_touch_where_they_are_on():
    history = ContactHistory(steps=20)
    for step in range(15):
        history.add(label=5 <= step < 10, touch=10 <= step < 12)
    picture = tile(history)
    bar = lane(picture, GREY)
    start, length = bar.min(), bar.max() - bar.min()

    def share(column: int) -> float:
        return (column - start) / length

    label, touch = lane(picture, ORANGE), lane(picture, BLUE)
    np.testing.assert_allclose((share(label.min()), share(label.max())), (0.25, 0.5), atol=0.02)
    np.testing.assert_allclose((share(touch.min()), share(touch.max())), (0.5, 0.6), atol=0.02)


def test_steps_beyond_the_known_number_are_left_out():
    history = ContactHistory(steps=3)
    for _ in range(5):
        history.add(label=True, touch=False)
    assert history.count == 3
    assert tile(history).shape == (HEIGHT, WIDTH, 3)


def test_captions_and_strip_hide_nothing_of_the_picture():
    picture = tile(ContactHistory(steps=3))
    top, bottom = caption_height(WIDTH, HEIGHT), HEIGHT - strip_height(WIDTH, HEIGHT)
    assert (picture[top:bottom] == 0).all()
    assert (picture[:top] < 100).any()
    assert (picture[0, 0] == 255).all()


def test_a_reference_stands_on_the_figure_or_beside_it():
    green = {}
    for ghost in ("overlay", "beside"):
        painter = Painter(PictureConfig(WIDTH, HEIGHT, azimuth=90.0, ghost=ghost), setup(ghost=True))
        painter.note([moment(0, ghost=True)])
        picture = painter.paint([moment(0, ghost=True)]).astype(int)
        painter.close()
        green[ghost] = np.nonzero(picture[..., 1] - picture[..., 0] > 25)[1]
        assert picture.shape == (HEIGHT, WIDTH, 3)
    assert green["beside"].size > 50
    assert green["beside"].mean() > green["overlay"].mean() + 25


def test_text_that_leaves_no_room_is_one_line():
    with pytest.raises(UserError, match="picture size 64 x 48: no room beside the text"):
        Painter(PictureConfig(64, 48), setup())


def test_a_crowd_is_at_most_two_pictures_wide():
    painter = Painter(PictureConfig(WIDTH, HEIGHT), setup(figures=9))
    picture = painter.paint([moment(0)] * 9)
    painter.close()
    assert picture.shape == (2 * HEIGHT, 2 * WIDTH, 3)


def test_a_grid_is_about_square_and_filled_row_by_row():
    tiles = [np.full((2, 3, 3), shade, np.uint8) for shade in (10, 20, 30)]
    sheet = grid(tiles)
    assert sheet.shape == (4, 6, 3)
    assert (sheet[0, 0, 0], sheet[0, 3, 0], sheet[2, 0, 0], sheet[2, 3, 0]) == (10, 20, 30, 255)
    assert grid(tiles, columns=3).shape == (2, 9, 3)
