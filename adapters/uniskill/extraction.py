"""z of moving pictures: one vector for every frame, kept in a cache, written as a table of conditions."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hoigym.adapters.uniskill.depth import DepthEstimator, as_images, as_pixels, resized
from hoigym.adapters.uniskill.isd import InverseDynamics
from hoigym.adapters.uniskill.model import DEPTH_EPS
from hoigym.adapters.uniskill.store import Rendering, RenderStore, StoreError, disparity
from hoigym.conditioners.table import ConditionTable
from hoigym.core.errors import UserError
from hoigym.core.files import ArrayFormat

_VERSION = 1
_CACHED = ArrayFormat("hoigym-skills-1", "file of z", UserError)


@dataclass(frozen=True)
class Extractor:
    """Makes z of pictures.

    isd: in evaluation mode. model: name that changes with its weights. gap: time between the pictures of a
    pair [s]. estimator: gives depth where there is none; depth_source: its name. batch_size: frames or pairs at
    once. as_released: as the released script does it, which feeds its depth network numbers 255 times too large,
    shrinks pictures without smoothing and gives the last frames no z.
    """

    isd: InverseDynamics
    model: str
    gap: float
    estimator: DepthEstimator | None = None
    depth_source: str = "simulator"
    batch_size: int = 64
    as_released: bool = False

    @torch.no_grad()
    def __call__(self, rgb: np.ndarray, depth: np.ndarray | None, fps: float) -> Tensor:
        """z (T, Z) of T pictures; the last ones pair with the last picture, the last repeats the one before.

        rgb: (T, H, W, 3) uint8. depth: (T, H, W) where larger is nearer; estimated where None. As released,
        (T - gap, Z). Raises UserError where there are too few pictures for a pair.
        """
        count, gap = len(rgb), max(1, round(self.gap * fps))
        first, second = frame_pairs(count, gap, padded=not self.as_released)
        if not len(first):
            raise UserError(f"{count} pictures at {fps:g} a second are too few for a pair {self.gap:g} s apart")
        tokens = torch.cat([self._tokens(rgb, depth, part) for part in _parts(count, self.batch_size)])
        z = [
            self.isd.skill_of_tokens(torch.stack([tokens[first[part]], tokens[second[part]]], 1))
            for part in _parts(len(first), self.batch_size)
        ]
        whole = torch.cat(z).cpu()
        return whole if self.as_released else torch.cat([whole, whole[-1:]])

    def key(self, rgb: np.ndarray, depth: np.ndarray | None, fps: float) -> str:
        """Hash of everything that z depends on."""
        digest = hashlib.sha256()
        made = (_VERSION, self.model, self.depth_source, self.gap, self.as_released)
        facts = (*made, fps, rgb.shape, depth is not None)
        digest.update(repr(facts).encode())
        for array in (rgb, depth):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _tokens(self, rgb: np.ndarray, depth: np.ndarray | None, part: slice) -> Tensor:
        """Tokens (N, S, D) of some frames: each is looked at once, not once for either role in a pair."""
        size, device = self.isd.config.resolution, self.isd.pos_embed_spatial.device
        pictures = rgb[part]
        images = resized(as_images(pictures), size, antialias=not self.as_released)
        if depth is not None:
            near = resized(torch.from_numpy(np.array(depth[part], np.float32)), size)
        else:
            near = resized(self._estimated(pictures, images), size, antialias=False)
        eps = 0.0 if self.as_released else DEPTH_EPS
        return self.isd.tokens(near[:, None].to(device), images[:, None].to(device), eps)[:, 0]

    def _estimated(self, pictures: np.ndarray, images: Tensor) -> Tensor:
        if self.estimator is None:
            raise UserError("these pictures have no depth and no depth model was given")
        if self.as_released:
            return self.estimator(pictures, rescale=False).float()
        return self.estimator(as_pixels(images)).float()


def frame_pairs(count: int, gap: int, padded: bool) -> tuple[Tensor, Tensor]:
    """First and second frames of the pairs of `count` frames.

    Padded, every frame but the last begins a pair, and late ones end at the last frame (arXiv 2505.08787);
    otherwise only those with a frame `gap` later.
    """
    first = torch.arange(max(0, count - (1 if padded else gap)))
    return first, (first + gap).clamp(max=count - 1)


class SkillCache:
    """z by key, one small file each, so that an interrupted extraction goes on where it was.

    folder: of the files; nothing is kept where None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.hits = 0

    def get(self, extractor: Extractor, rgb: np.ndarray, depth: np.ndarray | None, fps: float) -> Tensor:
        """z of pictures, from the cache or made now."""
        if self._folder is None:
            return extractor(rgb, depth, fps)
        path = self._folder / f"{extractor.key(rgb, depth, fps)}.npz"
        try:
            stored = torch.from_numpy(_CACHED.load(path, ("z",))["z"])
        except UserError:  # none yet, or none that can be read
            z = extractor(rgb, depth, fps)
            _CACHED.save(path, {"z": z.numpy()})
            return z
        self.hits += 1
        return stored


def table_of_store(
    store: RenderStore,
    renderings: Sequence[Rendering],
    extractor: Extractor,
    cache: SkillCache,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> ConditionTable:
    """z of every library frame, a variant for each way in which all clips were rendered.

    Pictures that skip library frames are interpolated between. Raises StoreError for renderings that are not of a
    library, and where no way covers all clips.
    """
    ways: dict[tuple, dict[str, Rendering]] = {}
    for one in renderings:
        if one.first_row < 0:
            raise StoreError(f"{store.folder}: '{one.name}' is not of a library's clip; extract its clips one by one")
        ways.setdefault((one.embodiment, one.colours, one.view, one.variant), {})[one.clip] = one
    clips = {one.clip: one for one in store.renderings}
    complete = [way for _, way in sorted(ways.items()) if way.keys() == clips.keys()]
    if not complete:
        raise StoreError(f"{store.folder}: no chosen look was rendered of all {len(clips)} clips")
    frames = max(one.first_row + one.num_rows for one in clips.values())
    values = torch.zeros(len(complete), frames, extractor.isd.config.skill_dim)
    done, fps = 0, 0.0
    for variant, way in enumerate(complete):
        for one in way.values():
            z = cache.get(extractor, store.rgb(one), disparity(store.depth(one)), one.fps)
            values[variant, one.first_row : one.first_row + one.num_rows] = per_row(z, one.num_rows, store.facts.stride)
            fps = one.fps * store.facts.stride
            done += 1
            progress(done, len(complete) * len(clips))
    return ConditionTable(values, fps, store.facts.library_hash, _facts(extractor))


def table_of_video(
    rgb: np.ndarray, depth: np.ndarray | None, fps: float, extractor: Extractor, cache: SkillCache
) -> ConditionTable:
    """z of every frame of a video: a prompt, of one variant."""
    return ConditionTable(cache.get(extractor, rgb, depth, fps)[None], fps, "", _facts(extractor))


def per_row(z: Tensor, rows: int, stride: int) -> Tensor:
    """z (T, Z) of every stride-th row as z of all rows (rows, Z), linear in between, held after the last."""
    if stride == 1:
        return z[:rows]
    at = (torch.arange(rows) / stride).clamp(max=len(z) - 1)
    low = at.floor().long()
    high = (low + 1).clamp(max=len(z) - 1)
    return torch.lerp(z[low], z[high], (at - low)[:, None])


def _facts(extractor: Extractor) -> dict[str, str]:
    return {
        "kind": "uniskill",
        "gap": f"{extractor.gap:g}",
        "model": extractor.model,
        "depth": extractor.depth_source,
    }


def _parts(count: int, size: int) -> list[slice]:
    return [slice(at, min(at + size, count)) for at in range(0, count, size)]
