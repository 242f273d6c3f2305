"""A reward for steps that have no reference."""

import torch
from torch import Tensor


def masked_reward(reward: Tensor, masked: Tensor, clip: Tensor, num_clips: int) -> Tensor:
    """Rewards (N,) with the masked rows' replaced: there is no reference to compare them with.

    A masked row gets the mean over the unmasked rows on its clip; where there is none, over all unmasked
    rows; where there is none either, 0. SkillMimic-V2, masked nodes of the stitched trajectory graph.

    Args:
        reward: (N,).
        masked: (N,) bool, rows that wait in buffer nodes or whose reference frame is missing.
        clip: (N,) long, clip that the row follows.
        num_clips: M.
    """
    counted = (~masked).to(reward.dtype)
    kept = torch.where(masked, 0.0, reward)
    sums = reward.new_zeros(num_clips).index_add_(0, clip, kept)
    counts = reward.new_zeros(num_clips).index_add_(0, clip, counted)
    overall = kept.sum() / counted.sum().clamp_min(1.0)
    means = torch.where(counts > 0, sums / counts.clamp_min(1.0), overall)
    return torch.where(masked, means[clip], reward)
