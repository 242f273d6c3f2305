"""Viewers that write files: a video, or a contact sheet of a few steps."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from viewer.base import Moment, Setup, Viewer
from viewer.files import VideoFile, make_folder_of, write_picture
from viewer.picture import Painter, PictureConfig, grid

# A step is seen this far ahead of its time [pictures], so that rounding errors do not decide which ones are.
_SLACK = 0.75


class _Recorder(Viewer):
    """Paints setup after setup. Used in a `with` block: one left by an exception leaves no file."""

    def __init__(self, config: PictureConfig):
        self._config = config
        self._painter: Painter | None = None

    def begin(self, setup: Setup) -> None:
        self._stop_painting()
        self._painter = Painter(self._config, setup)

    @property
    def painter(self) -> Painter:
        """Of the current setup."""
        assert self._painter is not None, "begin comes before show"
        return self._painter

    def close(self) -> None:
        self._stop_painting()

    def _stop_painting(self) -> None:
        if self._painter is not None:
            self._painter.close()
            self._painter = None


class VideoRecorder(_Recorder):
    """Writes an MP4 of `fps` pictures a second, in which time runs `speed` times as fast as shown."""

    def __init__(self, path: Path, config: PictureConfig, fps: float = 30.0, speed: float = 1.0):
        super().__init__(config)
        self._file = VideoFile(path, fps)
        self._pictures_per_second = fps / speed
        self._pictures_per_step = 0.0
        self._due = _SLACK

    def begin(self, setup: Setup) -> None:
        super().begin(setup)
        self._pictures_per_step = setup.dt * self._pictures_per_second

    def show(self, moments: Sequence[Moment]) -> None:
        self.painter.note(moments)
        self._due += self._pictures_per_step
        copies = int(self._due) - self._file.frames
        if not self._file.frames:
            copies = max(copies, 1)  # however fast time runs, there is a picture
        if copies > 0:
            picture = self.painter.paint(moments)
            for _ in range(copies):
                self._file.add(picture)

    def close(self) -> None:
        super().close()
        self._file.finish()

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self._file.abort()
        self.close()


class SheetRecorder(_Recorder):
    """Draws the steps numbered in `keep`, counted from the first one shown, into a PNG grid of `columns`.

    Every `begin` starts a new row.
    """

    def __init__(self, path: Path, config: PictureConfig, keep: Collection[int], columns: int):
        super().__init__(config)
        make_folder_of(path)
        self._path, self._columns = path, columns
        self._keep = frozenset(keep)
        self._tiles: list[np.ndarray] = []
        self._steps = 0

    def begin(self, setup: Setup) -> None:
        super().begin(setup)
        while len(self._tiles) % self._columns:
            self._tiles.append(np.full_like(self._tiles[-1], 255))

    def show(self, moments: Sequence[Moment]) -> None:
        self.painter.note(moments)
        if self._steps in self._keep:
            self._tiles.append(self.painter.paint(moments))
        self._steps += 1

    def close(self) -> None:
        super().close()
        if self._tiles:
            write_picture(grid(self._tiles, self._columns), self._path)
            self._tiles = []

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self._tiles = []
        self.close()
