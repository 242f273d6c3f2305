"""Pairs of pictures: training samples, and held-out sets to evaluate with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hoigym.adapters.learning.learner import Batch, step_seed
from hoigym.adapters.uniskill.config import Variation
from hoigym.adapters.uniskill.depth import as_images, resized
from hoigym.adapters.uniskill.footage import Footage, Span, split
from hoigym.adapters.uniskill.store import RenderStore, StoreError, disparity

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


# --- Pairs of pictures to evaluate with: all of a look, evenly spaced -----------------------------------------------


Part = Literal["train", "held_out", "all"]


@dataclass(frozen=True)
class PairSet:
    """N pairs of pictures that lie a fixed time apart.

    images: (N, 2, 3, H, W) in 0 .. 1. depth: (N, 2, H, W) as disparity, each map brought to 0 .. 1. skill, clip:
    (N,) ids. whole: (N,) bool, the skill has several clips, of which whole ones are held out. rows: (N, 2) library
    rows, -1 where the pictures are not a library's.
    """

    images: Tensor
    depth: Tensor
    skill: Tensor
    clip: Tensor
    whole: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.skill)

    def __getitem__(self, chosen: Tensor) -> "PairSet":
        return PairSet(**{name: value[chosen] for name, value in vars(self).items()})

    def balanced(self, most: int) -> "PairSet":
        """At most so many pairs of each skill, evenly spaced."""
        chosen = []
        for skill in self.skill.unique():
            mine = (self.skill == skill).nonzero()[:, 0]
            chosen.append(mine[torch.linspace(0, len(mine) - 1, min(most, len(mine))).long()])
        return self[torch.cat(chosen)]


def pair_set(store: RenderStore, look: str, part: Part, gap: float, every: int = 2) -> PairSet:
    """The pairs of a look, as `uniskill render` names them: "C-random" is its variant 0, "C-random/1" the next.

    gap: between the pictures [s]. every: pictures between the starts of pairs. Raises StoreError where the store
    has no such pair.
    """
    name, _, variant = look.partition("/")
    chosen = [one for one in store.renderings if one.name.endswith(f"_{name}_{variant or 0}")]
    spans = split(chosen, part)
    clips = sorted({one.clip for one in chosen})
    lengths = [max(1, round(gap * span.rendering.fps)) for span in spans]
    starts = [torch.arange(span.first, span.last - length, every) for span, length in zip(spans, lengths, strict=True)]
    if not any(len(start) for start in starts):
        raise StoreError(f"{store.folder}: no pair of look '{look}' that is {gap:g} s apart")
    parts = [
        _pairs(store, span, torch.stack((start, start + length), dim=1))
        for span, start, length in zip(spans, starts, lengths, strict=True)
    ]
    whole = [_has_siblings(chosen, span) for span in spans]
    counts = torch.tensor([len(start) for start in starts])
    return PairSet(
        images=torch.cat([images for images, _ in parts]),
        depth=torch.cat([depth for _, depth in parts]),
        skill=torch.tensor([span.rendering.skill for span in spans]).repeat_interleave(counts),
        clip=torch.tensor([clips.index(span.rendering.clip) for span in spans]).repeat_interleave(counts),
        whole=torch.tensor(whole).repeat_interleave(counts),
        rows=torch.cat(
            [_rows(store, span, start, length) for span, start, length in zip(spans, starts, lengths, strict=True)]
        ),
    )


def _pairs(store: RenderStore, span: Span, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, 2, 3, H, W) and depth (N, 2, H, W) of frames (N, 2)."""
    used = frames.unique()
    images = as_images(np.asarray(store.rgb(span.rendering)[used.numpy()]))
    nearness = torch.from_numpy(disparity(np.asarray(store.depth(span.rendering)[used.numpy()])))
    low, high = nearness.amin((1, 2), keepdim=True), nearness.amax((1, 2), keepdim=True)
    place = torch.searchsorted(used, frames)
    return images[place], ((nearness - low) / (high - low + 1e-6))[place]


def _rows(store: RenderStore, span: Span, start: Tensor, length: int) -> Tensor:
    frames = torch.stack((start, start + length), dim=1)
    first = span.rendering.first_row
    return first + store.facts.stride * frames if first >= 0 else torch.full_like(frames, -1)


def _has_siblings(chosen: Sequence, span: Span) -> bool:
    return len({one.clip for one in chosen if one.skill == span.rendering.skill}) > 1
