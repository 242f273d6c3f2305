"""Opens the recorder that a file name asks for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from motions.errors import UserError
from viewer.base import Viewer
from viewer.clip_recorder import ClipRecorder
from viewer.picture import PictureConfig
from viewer.progress import ProgressViewer
from viewer.recorder import SheetRecorder, VideoRecorder

VIDEO, PICTURE, CLIP = ".mp4", ".png", ".npz"
# Pictures on the sheet of one sequence; of each, where there are several.
_ALONE, _EACH = 12, 7
_COLUMNS = 4


def open_recorder(
    out: str | Path,
    lengths: Sequence[int],
    picture: PictureConfig | None = None,
    fps: float = 30.0,
    speed: float = 1.0,
) -> Viewer:
    """A viewer that writes a file and shows its progress; to be used in a `with` block.

    Args:
        out: an .mp4, or a .png: a sheet of twelve moments, or a row of seven for each of several sequences,
            half as wide and high as in a video; or an .npz: the motion itself, as a clip.
        lengths: steps of the sequences that will be shown one after another: of each clip, or of a rollout.
        picture: how one figure is drawn.
        fps: pictures a second of a video.
        speed: how fast time runs in a video; 0.25 is slow motion.

    Raises UserError for another suffix, several sequences for a clip, or a file that cannot be written.
    """
    out, picture = Path(out), picture or PictureConfig()
    suffix = out.suffix.lower()
    if suffix == VIDEO:
        recorder: Viewer = VideoRecorder(out, picture, fps, speed)
    elif suffix == PICTURE:
        small = replace(picture, width=picture.width // 2, height=picture.height // 2)
        recorder = SheetRecorder(out, small, *_sheet(lengths))
    elif suffix == CLIP:
        if len(lengths) > 1:
            raise UserError(f"{out}: a clip holds one sequence, not {len(lengths)}; choose one")
        recorder = ClipRecorder(out)
    else:
        raise UserError(f"{out}: unknown suffix '{out.suffix}'; expected {VIDEO}, {PICTURE} or {CLIP}")
    return ProgressViewer(recorder, f"recording {out.name}", sum(lengths))


def _sheet(lengths: Sequence[int]) -> tuple[list[int], int]:
    """Which steps a sheet shows, evenly spread over each sequence, and in how many columns."""
    count = _ALONE if len(lengths) == 1 else _EACH
    starts = np.cumsum([0, *lengths[:-1]])
    picks = [
        start + np.linspace(0, length - 1, count).round().astype(int)
        for start, length in zip(starts, lengths, strict=True)
    ]
    return np.concatenate(picks).tolist(), _COLUMNS if len(lengths) == 1 else count
