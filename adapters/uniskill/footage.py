"""Footage: moving pictures to learn from, whatever they are stored as."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import imageio.v3 as iio
import numpy as np

from hoigym.adapters.uniskill.config import PairConfig
from hoigym.adapters.uniskill.depth import as_images, as_pixels, resized
from hoigym.adapters.uniskill.store import Rendering, RenderStore, disparity
from hoigym.core.errors import UserError, first_line

# Of several clips of a skill every third one is held out, at least one; of a single clip its end.
_EVERY = 3
_END = 0.35


@dataclass(frozen=True)
class Span:
    """Pictures [first, last) of a rendering, from which both pictures of a pair are taken."""

    rendering: Rendering
    first: int
    last: int


def split(renderings: Iterable[Rendering], part: Literal["train", "held_out", "all"]) -> list[Span]:
    """The spans of a part. The same clips are held out in every rendering of them, so no variant leaks.

    "all": whole renderings.
    """
    renderings = list(renderings)
    if part == "all":
        return [Span(one, 0, one.num_frames) for one in renderings]
    clips: dict[int, list[str]] = {}
    for name, skill in sorted({(one.clip, one.skill) for one in renderings}):
        clips.setdefault(skill, []).append(name)
    spans = [_span(one, clips[one.skill], part == "held_out") for one in renderings]
    return [span for span in spans if span.last - span.first > 1]


def _span(one: Rendering, siblings: list[str], held_out: bool) -> Span:
    if len(siblings) == 1:
        cut = round((1 - _END) * one.num_frames)
        return Span(one, cut, one.num_frames) if held_out else Span(one, 0, cut)
    # The last of every three, or of two, is held out.
    place = siblings.index(one.clip)
    out = place % _EVERY == _EVERY - 1 or (len(siblings) < _EVERY and place == len(siblings) - 1)
    return Span(one, 0, one.num_frames) if out == held_out else Span(one, 0, 0)


# --- Moving pictures to learn from, whatever they are stored as -----------------------------------------------------


VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm")
_HELD_OUT_EVERY = 10
T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """Frames first .. last - 1 of one take, of which pairs are gap[0] .. gap[1] frames apart."""

    name: str
    first: int
    last: int
    gap: tuple[int, int]


class Footage(Protocol):
    """Pieces, and their frames on demand."""

    @property
    def pieces(self) -> Sequence[Piece]: ...

    def frames(self, piece: int, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        """Pictures (N, H, W, 3) uint8 of frames of a piece, and disparity (N, H, W) float32 where it is known."""
        ...


class StoreFootage:
    """Rendered clips of a store; learned from and held out as `split` says."""

    def __init__(self, store: RenderStore, config: PairConfig, held_out: bool) -> None:
        self._store = store
        self._spans = split(store.chosen(config.embodiments, config.colours), "held_out" if held_out else "train")
        self._open: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.pieces = [
            Piece(span.rendering.name, span.first, span.last, in_frames(config.gap, span.rendering.fps))
            for span in self._spans
        ]

    def frames(self, piece: int, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        if piece not in self._open:
            rendering = self._spans[piece].rendering
            self._open[piece] = self._store.rgb(rendering), self._store.depth(rendering)
        rgb, depth = self._open[piece]
        return rgb[list(indices)], disparity(depth[list(indices)])


class FileFootage:
    """Takes on the disk that a function reads.

    read: path, frame indices -> pictures (N, H, W, 3) uint8.
    """

    def __init__(
        self,
        takes: Sequence[tuple[Path, Piece]],
        read: Callable[[Path, Sequence[int]], np.ndarray],
    ) -> None:
        self._takes, self._read = takes, read
        self.pieces = [piece for _, piece in takes]

    def frames(self, piece: int, indices: Sequence[int]) -> tuple[np.ndarray, None]:
        path = self._takes[piece][0]
        try:
            return self._read(path, indices), None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({first_line(error)})") from None


class JoinedFootage:
    """The pieces of several footages, one after the other."""

    def __init__(self, parts: Sequence[Footage]) -> None:
        self._places = [(part, index) for part in parts for index in range(len(part.pieces))]
        self.pieces = [part.pieces[index] for part, index in self._places]

    def frames(self, piece: int, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        part, index = self._places[piece]
        return part.frames(index, indices)


def video_footage(config: PairConfig, held_out: bool) -> FileFootage:
    """Every video below a folder; each tenth, by name, is held out. Raises UserError for none."""
    folder = Path(config.path)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise UserError(f"{folder}: no video there; expected {', '.join(VIDEO_SUFFIXES)}")
    takes = []
    for path in keep_part(paths, held_out):
        length, fps = video_facts(path)
        takes.append((path, Piece(path.stem, 0, length, in_frames(config.gap, fps))))
    return FileFootage(takes, read_video)


def video_facts(path: Path) -> tuple[int, float]:
    """Frames and frames a second of a video; raises UserError where it cannot be read."""
    try:
        facts = iio.immeta(path, plugin="FFMPEG")
        fps = float(facts["fps"])
        return max(1, round(float(facts["duration"]) * fps)), fps
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read as a video ({first_line(error)})") from None


def read_video(path: Path, indices: Sequence[int] | None = None, side: int | None = None) -> np.ndarray:
    """Some frames of a video, or all, (N, H, W, 3) uint8; raises UserError where it cannot be read.

    side: that all frames are brought to, one by one [pixels]; their own where None.
    """
    try:
        if indices is None:
            frames = iio.imiter(path, plugin="FFMPEG")
            return np.stack([frame if side is None else _small(frame, side) for frame in frames])
        return np.stack([iio.imread(path, index=index, plugin="FFMPEG") for index in indices])
    except (OSError, ValueError, IndexError, RuntimeError) as error:
        raise UserError(f"{path}: cannot be read as a video ({first_line(error)})") from None


def _small(frame: np.ndarray, side: int) -> np.ndarray:
    return as_pixels(resized(as_images(frame[None]), side))[0]


def in_frames(gap: tuple[float, float], fps: float) -> tuple[int, int]:
    """A range of times [s] as frames, at least one."""
    low, high = (max(1, round(time * fps)) for time in gap)
    return low, high


def keep_part(items: Sequence[T], held_out: bool) -> list[T]:
    """Every tenth item (at least the last of several) where held out, else the others."""
    count = len(items)
    if count < _HELD_OUT_EVERY:
        out = {count - 1} if count > 1 else set()
    else:
        out = set(range(_HELD_OUT_EVERY - 1, count, _HELD_OUT_EVERY))
    return [item for place, item in enumerate(items) if (place in out) == held_out]
