"""Small rendered stores and videos."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np

from hoigym.adapters.uniskill.store import Rendering, RenderStore, StoreFacts

SIZE = 32


def square_film(frames: int, speed: int, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A square that moves right (or left) over a grey wall, and its depth [m]."""
    rgb = np.full((frames, SIZE, SIZE, 3), 90, np.uint8)
    depth = np.full((frames, SIZE, SIZE), 5.0)
    for time in range(frames):
        left = (speed * time) % (SIZE - 8)
        rgb[time, 12:20, left : left + 8] = colour
        depth[time, 12:20, left : left + 8] = 2.0
    return rgb, depth


def square_store(folder: Path) -> RenderStore:
    """Four clips of squares, two skills: to the right and to the left."""
    store = RenderStore.open_or_create(folder, StoreFacts(size=SIZE, stride=1, library_hash="abc"))
    row = 0
    for clip in range(6):
        speed = 2 if clip % 2 else -2
        rgb, depth = square_film(20, speed, (200, 60 + 20 * clip, 40))
        name, skill = f"{clip}_A", 1 + clip % 2
        store.add(Rendering(name, f"clip{clip}", skill, 30.0, 20, row, 20, "A", "own", "usual", 0, clip), rgb, depth)
        row += 20
    return store


def video(path: Path, frames: int = 12, size: int = 48, codec: str = "libx264") -> Path:
    """A video whose frame t has grey level 20 t."""
    pictures = np.stack([np.full((size, size, 3), 20 * time, np.uint8) for time in range(frames)])
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, pictures, fps=10, plugin="FFMPEG", codec=codec, macro_block_size=16)
    return path
