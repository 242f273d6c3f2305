"""The recorder that a file name asks for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hoigym.core.errors import UserError
from hoigym.viewer.picture import PictureConfig
from hoigym.viewer.recorder import open_recorder
from hoigym.viewer.replay import replay
from tests.motions.clips import random_clip

SMALL = PictureConfig(width=96, height=64, text=False)


def test_one_clip_makes_a_sheet_of_twelve(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "sheet.png"
    with open_recorder(path, [20], SMALL) as viewer:
        replay([random_clip(frames=20)], viewer)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (3 * 32, 4 * 48, 3)
    said = capfd.readouterr().err
    assert "20/20" in said
    assert "recording" in said


def test_several_clips_make_a_row_each(tmp_path: Path):
    path = tmp_path / "sheet.PNG"
    clips = [random_clip(0, frames=12), random_clip(1, frames=4), random_clip(2, frames=9)]
    with open_recorder(path, [12, 4, 9], SMALL) as viewer:
        replay(clips, viewer)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (3 * 32, 7 * 48, 3)
    assert (sheet[32:64, 4 * 48 :] == 255).all()  # the second clip has only four frames
    assert (sheet[32:64, : 4 * 48] < 200).any()
    assert (sheet[64:, 6 * 48 :] < 200).any()


def test_another_suffix_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"out\.gif: unknown suffix '\.gif'; expected \.mp4, \.png or \.npz"):
        open_recorder(tmp_path / "out.gif", [10])


def test_a_clip_of_several_sequences_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"out\.npz: a clip holds one sequence, not 2; choose one"):
        open_recorder(tmp_path / "out.npz", [10, 10])


def test_a_bad_picture_size_is_one_line_and_leaves_no_file(tmp_path: Path):
    recorder = open_recorder(tmp_path / "out.mp4", [5], PictureConfig(8, 8, text=False))
    with pytest.raises(UserError, match="picture size 8 x 8"), recorder as viewer:
        replay([random_clip(frames=5)], viewer)
    assert list(tmp_path.iterdir()) == []
