"""Video and picture files; each appears whole or not at all."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from PIL import Image

from motions.atomic import make_folder, write_atomically
from motions.errors import UserError, first_line


class VideoFile:
    """An MP4 (H.264, plays in browsers) written picture by picture.

    Raises UserError where path cannot be written or there is no ffmpeg.
    """

    def __init__(self, path: Path, fps: float):
        self.path = path
        self.frames = 0
        self._fps = fps
        self._part = path.with_name(f".{path.stem}.{os.getpid()}.tmp.mp4")
        self._writer: Generator[None, Any, None] | None = None
        make_folder_of(path)

    def add(self, picture: np.ndarray) -> None:
        """Appends a picture (H, W, 3) uint8; all of one size."""
        try:
            if self._writer is None:
                self._writer = self._open(picture.shape[1], picture.shape[0])
            self._writer.send(np.ascontiguousarray(_even(picture)))
        except (OSError, RuntimeError) as error:
            self.abort()
            raise UserError(f"{self.path}: cannot be written ({first_line(error)})") from None
        self.frames += 1

    def finish(self) -> None:
        """Gives the file its name; raises UserError where it cannot. Without any picture there is no file."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        try:
            os.replace(self._part, self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror or error})") from None

    def abort(self) -> None:
        """Leaves no file behind."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._part.unlink(missing_ok=True)

    def _open(self, width: int, height: int) -> Generator[None, Any, None]:
        options: dict[str, Any] = {
            "fps": self._fps,
            "codec": "libx264",
            "pix_fmt_out": "yuv420p",
            "macro_block_size": 2,
            "quality": 6,
            # Browsers can start before they have the whole file.
            "output_params": ["-preset", "fast", "-movflags", "+faststart"],
            "ffmpeg_log_level": "error",
        }
        size = (width + width % 2, height + height % 2)
        writer = imageio_ffmpeg.write_frames(str(self._part), size, **options)
        writer.send(None)
        return writer


def write_picture(picture: np.ndarray, path: Path) -> None:
    """Writes a PNG of (H, W, 3) uint8; raises UserError where it cannot."""
    make_folder_of(path)
    try:
        with write_atomically(path) as file:
            Image.fromarray(picture).save(file, format="PNG", optimize=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None


def make_folder_of(path: Path) -> None:
    """Makes the folder that path lies in; raises UserError where it cannot or path is a folder itself."""
    make_folder(path.parent)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; expected a file name")


def _even(picture: np.ndarray) -> np.ndarray:
    """H.264 stores colour for two by two pixels."""
    return np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
