"""What pairs of pictures are turned into, to be compared: z, and what z must be better than."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from conditioners.plan import plan_steps
from conditioners.uniskill.model import UniSkill
from conditioners.uniskill.pair_sets import PairSet
from motions.library import MotionLibrary
from motions.rotations import heading_inverse, quat_rotate

Representation = Callable[[PairSet], Tensor]
"""Pairs to vectors (N, D)."""
_BATCH = 128
_SIDE = 32


@torch.no_grad()
def skills(model: UniSkill, pairs: PairSet) -> Tensor:
    """z (N, Z) of pairs."""
    size = model.isd.config.resolution
    chunks = torch.arange(len(pairs)).split(_BATCH)
    return torch.cat([model.skill(_sized(pairs.images[at], size), _sized(pairs.depth[at], size)) for at in chunks])


def colours(pairs: PairSet) -> Tensor:
    """Both pictures at 32 x 32, (N, 6144)."""
    return _sized(pairs.images, _SIDE).flatten(1)


def nearness(pairs: PairSet) -> Tensor:
    """Both disparity maps at 32 x 32, (N, 2048)."""
    return _sized(pairs.depth, _SIDE).flatten(1)


def true_motion(library: MotionLibrary, pairs: PairSet) -> Tensor:
    """What is recorded of both moments, in the heading frame of each: limbs, ball, velocities; and how far the root
    goes between them, (N, D). Standardised over the library.
    """
    steps = plan_steps(library)
    steps = (steps - steps.mean(0)) / steps.std(0).clamp_min(1e-3)
    first, second = pairs.rows.unbind(1)
    now, then = library.reference(first), library.reference(second)
    way = quat_rotate(heading_inverse(now.root_quat), then.root_pos - now.root_pos)
    return torch.cat((steps[first], steps[second], way), dim=1)


def principal(numbers: int, gallery: Tensor) -> Callable[[Tensor], Tensor]:
    """Projection of vectors (N, D) on the first principal components of a gallery, (N, numbers)."""
    mean = gallery.mean(0)
    # Fewer pairs than pixels: the small side is decomposed.
    _, _, directions = torch.linalg.svd(gallery - mean, full_matrices=False)
    kept = directions[:numbers].T
    return lambda vectors: (vectors - mean) @ kept


def _sized(maps: Tensor, size: int) -> Tensor:
    """(N, 2, ..., H, W) at size x size, by means over areas."""
    if maps.shape[-1] == size:
        return maps
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    return functional.interpolate(flat, (size, size), mode="area").reshape(*maps.shape[:-2], size, size)
