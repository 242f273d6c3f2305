"""Videos and sheets: what is in the files."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from hoigym.core.errors import UserError
from hoigym.viewer.base import Viewer
from hoigym.viewer.picture import PictureConfig
from hoigym.viewer.recorder import SheetRecorder, VideoRecorder
from tests.viewer.moments import CONTACT_FROM, moment, setup

PLAIN = PictureConfig(width=96, height=64, text=False)


def frames_of(path: Path) -> tuple[dict, np.ndarray]:
    """What ffmpeg says of a video, and its frames (F, H, W, 3)."""
    reader: Iterator = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    return about, np.array([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader])


def show(viewer: Viewer, steps: int = 12, dt: float = 1 / 60, figures: int = 1) -> None:
    viewer.begin(setup(figures, dt, steps))
    for step in range(steps):
        viewer.show([moment(step, dt)] * figures)


def leave_in_the_middle(viewer: Viewer) -> None:
    """As Ctrl-C does."""
    with viewer:
        show(viewer, steps=4)
        raise KeyboardInterrupt


def cyan(picture: np.ndarray) -> int:
    """How many pixels have the colour of contact."""
    signed = picture.astype(int)
    return int((signed[..., 2] - signed[..., 0] > 90).sum())


def test_a_video_has_the_asked_rate_size_and_format(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "video.mp4"
    with VideoRecorder(path, PLAIN, fps=60.0) as viewer:
        show(viewer)
    about, frames = frames_of(path)
    assert about["codec"] == "h264"
    assert about["pix_fmt"].startswith("yuv420p")
    assert about["fps"] == 60.0
    assert frames.shape == (12, 64, 96, 3)
    assert frames.std() > 10
    assert (np.abs(np.diff(frames.astype(int), axis=0)).max(axis=(1, 2, 3)) > 20).all()
    assert list(path.parent.iterdir()) == [path]


def test_the_ball_changes_colour_on_the_frame_of_contact(tmp_path: Path):
    with VideoRecorder(tmp_path / "video.mp4", PLAIN, fps=60.0) as viewer:
        show(viewer)
    _, frames = frames_of(tmp_path / "video.mp4")
    touched = [cyan(frame) > 8 for frame in frames]
    assert touched == [step >= CONTACT_FROM for step in range(12)]


@pytest.mark.parametrize(
    ("dt", "fps", "speed", "frames"),
    [
        (1 / 60, 30.0, 1.0, 6),
        (1 / 30, 30.0, 1.0, 12),
        (1 / 60, 30.0, 0.25, 24),
        (1 / 60, 25.0, 2.0, 3),
        (1 / 60, 30.0, 1000.0, 1),
    ],
)
def test_time_runs_as_fast_as_asked(tmp_path: Path, dt: float, fps: float, speed: float, frames: int):
    with VideoRecorder(tmp_path / "video.mp4", PLAIN, fps, speed) as viewer:
        show(viewer, dt=dt)
    about, pictures = frames_of(tmp_path / "video.mp4")
    assert about["fps"] == fps
    assert len(pictures) == frames


def test_odd_sizes_are_made_even(tmp_path: Path):
    with VideoRecorder(tmp_path / "video.mp4", PictureConfig(width=97, height=65, text=False)) as viewer:
        show(viewer)
    assert frames_of(tmp_path / "video.mp4")[0]["size"] == (98, 66)


def test_several_figures_make_a_grid(tmp_path: Path):
    with VideoRecorder(tmp_path / "video.mp4", PLAIN) as viewer:
        show(viewer, steps=2, figures=3)
    _, frames = frames_of(tmp_path / "video.mp4")
    assert frames.shape[1:] == (128, 192, 3)
    assert (frames[0, 70:, 100:] > 240).all()  # the fourth place is empty


def test_a_second_setup_continues_the_same_video(tmp_path: Path):
    with VideoRecorder(tmp_path / "video.mp4", PLAIN) as viewer:
        show(viewer, steps=4)
        show(viewer, steps=4, dt=1 / 30)
    assert len(frames_of(tmp_path / "video.mp4")[1]) == 6


def test_an_interrupted_recording_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        leave_in_the_middle(VideoRecorder(path, PLAIN))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_sheet_holds_the_kept_steps(tmp_path: Path):
    path = tmp_path / "sheet.png"
    with SheetRecorder(path, PLAIN, keep=[0, 5, 6, 11], columns=2) as viewer:
        show(viewer)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (128, 192, 3)
    tiles = sheet.reshape(2, 64, 2, 96, 3).swapaxes(1, 2).reshape(4, 64, 96, 3)
    assert [cyan(tile) > 8 for tile in tiles] == [False, False, True, True]


def test_an_interrupted_sheet_leaves_no_file(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        leave_in_the_middle(SheetRecorder(tmp_path / "sheet.png", PLAIN, keep=[0], columns=1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [VideoRecorder, lambda path, config: SheetRecorder(path, config, [0], 1)])
def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path, kind):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: cannot be created"):
        kind(tmp_path / "file" / "out.mp4", PLAIN)
    with pytest.raises(UserError, match="is a folder; expected a file name"):
        kind(tmp_path, PLAIN)


def test_a_folder_that_goes_away_is_one_line(tmp_path: Path):
    recorder = VideoRecorder(tmp_path / "new" / "video.mp4", PLAIN)
    show(recorder, steps=2)
    shutil.rmtree(tmp_path / "new")
    with pytest.raises(UserError, match=r"video\.mp4: cannot be written \(No such file"):
        recorder.close()


def test_without_ffmpeg_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "no-ffmpeg"))
    imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    try:
        recorder = VideoRecorder(tmp_path / "video.mp4", PLAIN)
        with pytest.raises(UserError, match=r"video\.mp4: cannot be written"), recorder as viewer:
            show(viewer, steps=2)
    finally:
        monkeypatch.undo()
        imageio_ffmpeg._utils._get_ffmpeg_exe.cache_clear()
    assert list(tmp_path.iterdir()) == []
