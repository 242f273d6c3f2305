"""Whether the forward model listens to z: its error with the right z and with wrong ones."""

import torch
from torch import Tensor

from conditioners.uniskill.depth import resized
from conditioners.uniskill.forward import mean_squared_change
from conditioners.uniskill.model import UniSkill
from conditioners.uniskill.pair_sets import PairSet
from conditioners.uniskill.representations import skills

_BATCH = 128


@torch.no_grad()
def forward_errors(model: UniSkill, pairs: PairSet, size: int, mean_skill: Tensor) -> dict[str, float]:
    """Error of the predicted picture over that of copying the current one, over all pairs.

    right: z of the pair. shuffled: z of a pair of another clip and, where there is one, another skill. mean:
    mean_skill (Z,). zero. size: side of the forward model's pictures.
    """
    own = skills(model, pairs)
    candidates = {
        "right": own,
        "shuffled": own[_strangers(pairs)],
        "mean": mean_skill.expand_as(own),
        "zero": torch.zeros_like(own),
    }
    now, following = (resized(pairs.images[:, place], size) for place in (0, 1))
    copying = mean_squared_change(now, following).sum().clamp_min(1e-12)
    return {name: float(_error(model, now, following, z) / copying) for name, z in candidates.items()}


def _error(model: UniSkill, now: Tensor, following: Tensor, skill: Tensor) -> Tensor:
    errors = [
        mean_squared_change(model.predict(now[at], skill[at]), following[at]).sum()
        for at in torch.arange(len(now)).split(_BATCH)
    ]
    return torch.stack(errors).sum()


def _strangers(pairs: PairSet) -> Tensor:
    """For every pair the index of one of another skill, else of another clip, else of any; each time the same."""
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand(len(pairs), len(pairs), generator=generator)
    other_skill = pairs.skill[:, None] != pairs.skill
    other_clip = pairs.clip[:, None] != pairs.clip
    return (draw + 2 * other_skill + other_clip).argmax(1)
