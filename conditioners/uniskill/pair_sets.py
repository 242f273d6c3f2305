"""Pairs of pictures to evaluate with: all of a look, evenly spaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from conditioners.uniskill.depth import as_images
from conditioners.uniskill.split import Span, split
from conditioners.uniskill.store import RenderStore, StoreError, disparity

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
