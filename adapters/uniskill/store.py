"""Rendered clips on disk: pictures and depth of every clip, seen in several ways.

store/
  index.json                      facts of the store and one entry for each finished rendering
  renderings/NAME.rgb.npy         uint8 (T, H, W, 3)
  renderings/NAME.depth.npy       float16 (T, H, W) [m]; the sky is far away
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from hoigym.core.errors import UserError
from hoigym.core.files import write_atomically

INDEX, FOLDER = "index.json", "renderings"
FORMAT_VERSION = 1


class StoreError(UserError):
    """A store that cannot be used, and why."""


@dataclass(frozen=True)
class StoreFacts:
    """What holds for a whole store.

    size: pixels a side. stride: library frames (or control steps of a rollout) between two pictures.
    library_hash: `MotionLibrary.content_hash` of the clips; "" where the pictures are not a library's frames.
    """

    size: int
    stride: int
    library_hash: str = ""


@dataclass(frozen=True)
class Rendering:
    """One clip, or rollout, seen by one static camera: T pictures.

    name: unique in the store. clip, skill: what is seen. fps: pictures a second. first_row, num_rows: the
    library rows it covers; picture t shows row first_row + t * stride (first_row -1: not a library's).
    embodiment: "A", "B", "C". colours: "own" of the embodiment or "random". view: "usual" or "unseen" camera
    positions. variant, seed: which draw of camera and colours. appearance, camera: the values drawn.
    """

    name: str
    clip: str
    skill: int
    fps: float
    num_frames: int
    first_row: int
    num_rows: int
    embodiment: str
    colours: str
    view: str
    variant: int
    seed: int
    appearance: Mapping[str, Any] = field(default_factory=dict)
    camera: Mapping[str, Any] = field(default_factory=dict)


class RenderStore:
    """The store in a folder. Finished renderings are listed; an interrupted one leaves nothing that counts.

    facts: StoreFacts. renderings: tuple of `Rendering`, in the order in which they were added.
    """

    def __init__(self, folder: Path, facts: StoreFacts, renderings: tuple[Rendering, ...] = ()) -> None:
        self.folder, self.facts, self.renderings = folder, facts, renderings

    @classmethod
    def open(cls, folder: str | Path) -> "RenderStore":
        """The store in a folder; raises StoreError where there is none or its index cannot be used."""
        folder = Path(folder)
        path = folder / INDEX
        if not path.is_file():
            raise StoreError(f"{folder}: no {INDEX}; expected a folder written by `uniskill render`")
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            if index["format_version"] != FORMAT_VERSION:
                raise StoreError(f"{path}: format version {index['format_version']}; expected {FORMAT_VERSION}")
            facts = StoreFacts(**index["facts"])
            renderings = tuple(Rendering(**entry) for entry in index["renderings"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path}: not an index of a store ({error})") from None
        return cls(folder, facts, renderings)

    @classmethod
    def open_or_create(cls, folder: str | Path, facts: StoreFacts) -> "RenderStore":
        """The store of these facts, to go on with or new; raises StoreError where it holds other ones."""
        folder = Path(folder)
        if not (folder / INDEX).exists():
            try:
                (folder / FOLDER).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"{folder}: cannot be created ({error.strerror or error})") from None
            return cls(folder, facts)
        store = cls.open(folder)
        for name in (one.name for one in fields(StoreFacts)):
            there, wanted = getattr(store.facts, name), getattr(facts, name)
            if there != wanted:
                what = "other clips" if name == "library_hash" else f"{name} {there}, not {wanted}"
                raise StoreError(f"{folder}: was rendered with {what}; choose another folder")
        return store

    def chosen(self, embodiments: Sequence[str] = (), colours: Sequence[str] = ()) -> list[Rendering]:
        """The renderings of some embodiments and kinds of colouring; of all where none are named.

        Raises StoreError where there are none.
        """
        found = [
            one
            for one in self.renderings
            if (not embodiments or one.embodiment in embodiments) and (not colours or one.colours in colours)
        ]
        if not found:
            there = ", ".join(sorted({f"{one.embodiment} in {one.colours} colours" for one in self.renderings}))
            raise StoreError(f"{self.folder}: no film of those asked for; there is {there or 'none at all'}")
        return found

    def __contains__(self, name: str) -> bool:
        return any(rendering.name == name for rendering in self.renderings)

    def add(self, rendering: Rendering, rgb: np.ndarray, depth: np.ndarray) -> None:
        """Writes a rendering and lists it; rgb (T, H, W, 3) uint8, depth (T, H, W) [m].

        Raises ValueError for arrays of another shape, StoreError where they cannot be written.
        """
        shape = (rendering.num_frames, self.facts.size, self.facts.size)
        if rgb.shape != (*shape, 3) or rgb.dtype != np.uint8 or depth.shape != shape:
            raise ValueError(f"expected uint8 {(*shape, 3)} and {shape}, got {rgb.dtype} {rgb.shape} and {depth.shape}")
        others = tuple(other for other in self.renderings if other.name != rendering.name)
        try:
            with write_atomically(self._path(rendering, "rgb")) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(rgb), allow_pickle=False)
            with write_atomically(self._path(rendering, "depth")) as file:
                np.lib.format.write_array(file, depth.astype(np.float16), allow_pickle=False)
            self._write_index((*others, rendering))
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be written ({error.strerror or error})") from None
        self.renderings = (*others, rendering)

    def rgb(self, rendering: Rendering) -> np.ndarray:
        """Pictures (T, H, W, 3) uint8, mapped from the disk, read-only."""
        return self._load(rendering, "rgb")

    def depth(self, rendering: Rendering) -> np.ndarray:
        """Depth (T, H, W) float16 [m], mapped from the disk, read-only."""
        return self._load(rendering, "depth")

    def _path(self, rendering: Rendering, what: str) -> Path:
        return self.folder / FOLDER / f"{rendering.name}.{what}.npy"

    def _load(self, rendering: Rendering, what: str) -> np.ndarray:
        path = self._path(rendering, what)
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read ({error})") from None
        if len(array) != rendering.num_frames:
            raise StoreError(f"{path}: {len(array)} pictures; expected {rendering.num_frames}")
        return array

    def _write_index(self, renderings: tuple[Rendering, ...]) -> None:
        index = {
            "format_version": FORMAT_VERSION,
            "facts": asdict(self.facts),
            "renderings": [asdict(rendering) for rendering in renderings],
        }
        with write_atomically(self.folder / INDEX) as file:
            file.write(json.dumps(index, indent=1).encode())


def disparity(depth: np.ndarray, farthest: float = 20.0) -> np.ndarray:
    """Inverse depth (..., H, W) float32 [1/m] of depth [m], which is cut at `farthest` [m].

    Near is large, as in what monocular depth networks predict.
    """
    return 1.0 / np.clip(depth.astype(np.float32), 0.05, farthest)
