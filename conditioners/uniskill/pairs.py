"""Pairs of pictures as training samples."""

import numpy as np
import torch
from torch import Tensor

from conditioners.learning.learner import Batch
from conditioners.learning.order import step_seed
from conditioners.uniskill.config import Variation
from conditioners.uniskill.depth import as_images, resized
from conditioners.uniskill.footage import Footage

_AS_IT_IS = Variation()


class FramePairs:
    """One random pair of a piece of footage at each draw.

    A sample: images (2, 3, R, R) in 0 .. 1 for the inverse model; depth (2, R, R), as disparity, where the footage
    has it; now and following (3, S, S) in 0 .. 1 for the forward model.

    Args:
        footage: pieces with fewer frames than their least gap + 1 are left out.
        resolution: R. forward_resolution: S.
        vary: how the pairs differ from the footage, the same for both pictures.
    """

    def __init__(self, footage: Footage, resolution: int, forward_resolution: int, vary: Variation = _AS_IT_IS) -> None:
        self._footage, self._vary = footage, vary
        self._resolution, self._forward_resolution = resolution, forward_resolution
        self._usable = [index for index, piece in enumerate(footage.pieces) if piece.last - piece.first > piece.gap[0]]

    def __len__(self) -> int:
        return len(self._usable)

    def __getitem__(self, index: int) -> Batch:
        return self.draw(index, 0)

    def draw(self, index: int, seed: int) -> Batch:
        """A pair of the index-th usable piece; the gap, then the start, are uniform."""
        which = self._usable[index]
        piece = self._footage.pieces[which]
        random = np.random.default_rng(seed)
        gap = min(int(random.integers(piece.gap[0], piece.gap[1] + 1)), piece.last - piece.first - 1)
        start = int(random.integers(piece.first, piece.last - gap))
        rgb, depth = self._footage.frames(which, (start, start + gap))
        cut = _cut(rgb.shape[1:3], self._vary, random)
        rgb, depth = rgb[cut], None if depth is None else depth[cut]
        images = as_images(rgb)
        now, following = resized(images, self._forward_resolution)
        sample = {"images": resized(images, self._resolution), "now": now, "following": following}
        if depth is not None:
            sample["depth"] = resized(torch.from_numpy(np.array(depth, np.float32)), self._resolution)
        return sample


def _cut(shape: tuple[int, int], vary: Variation, random: np.random.Generator) -> tuple[slice, slice, slice]:
    """What of a pair (2, H, W) is taken, and in which direction."""
    share = random.uniform(vary.crop, 1.0)
    spans = []
    for length in shape:
        kept = max(1, round(share * length))
        first = int(random.integers(0, length - kept + 1))
        spans.append(slice(first, first + kept))
    if vary.mirror and random.random() < 0.5:
        columns = spans[1]
        spans[1] = slice(columns.stop - 1, columns.start - 1 if columns.start else None, -1)
    backwards = vary.reverse and random.random() < 0.5
    return slice(None, None, -1 if backwards else 1), spans[0], spans[1]


def fixed_batch(pairs: FramePairs, count: int, seed: int = 0) -> Batch:
    """The same pairs each time, going round the pieces."""
    samples = [pairs.draw(place % len(pairs), step_seed(seed, place)) for place in range(count)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Other colours, the same for both pictures of a pair.

    images: (B, 2, 3, R, R) in 0 .. 1. Each colour is scaled by up to 1 +- strength, then contrast about the mean
    and brightness change by as much.
    """

    def factors(*shape: int) -> Tensor:
        draw = torch.rand(len(images), 1, *shape, 1, 1, generator=generator, device=images.device)
        return 1 + strength * (2 * draw - 1)

    tinted = images * factors(3)
    mean = tinted.mean((1, 2, 3, 4), keepdim=True)
    return ((tinted - mean) * factors(1) + mean * factors(1)).clamp(0, 1)


def shuffled(skill: Tensor) -> Tensor:
    """Skill vectors (B, Z) dealt to other rows, always in the same way."""
    return skill[torch.randperm(len(skill), generator=torch.Generator().manual_seed(0)).to(skill.device)]
