"""Where pictures go."""

from pathlib import Path

from motions.errors import UserError
from viewer.base import NullViewer, Viewer
from viewer.picture import PictureConfig

SHEET_PICTURES = 12
SHEET_COLUMNS = 4


def check_output(output: Path | None) -> None:
    """Raises UserError where the ending of output says nothing of what to write."""
    if output is not None and output.suffix.lower() not in (".mp4", ".png"):
        raise UserError(f"command line: output must end in .mp4 or .png, not '{output}'")


def open_viewer(
    output: Path | None, picture: PictureConfig, *, steps: int, fps: float, speed: float
) -> Viewer:
    """A viewer that writes steps to a video, or some of them to a sheet of pictures, or nothing."""
    from viewer.recorder import SheetRecorder, VideoRecorder

    if output is None:
        return NullViewer()
    if output.suffix.lower() == ".mp4":
        return VideoRecorder(output, picture, fps=fps, speed=speed)
    count = min(SHEET_PICTURES, steps)
    keep = {round(place * (steps - 1) / max(count - 1, 1)) for place in range(count)}
    return SheetRecorder(output, picture, keep, min(SHEET_COLUMNS, count))
