"""What the actor's gradient steps minimise, and how far they have taken the policy."""

from typing import NamedTuple

import torch
from torch import Tensor

LARGEST_LOG_RATIO = 20.0


class ActorLosses(NamedTuple):
    """surrogate and bounds: terms of the loss, before weights. kl and clip_fraction: to look at. Each ()."""

    surrogate: Tensor
    bounds: Tensor
    kl: Tensor
    clip_fraction: Tensor


def actor_losses(mean: Tensor, sigma: Tensor, neglogp: Tensor, batch: dict[str, Tensor], clip: float) -> ActorLosses:
    """Losses of PPO (Schulman et al. 2017) on N samples.

    Args:
        mean: (N, A) mean actions of the policy as it is.
        sigma: (A,) standard deviation of its actions, that of the policy that acted too.
        neglogp: (N,) negative logarithms of the probability of the actions taken.
        batch: of the policy that acted: mu (N, A) mean actions, old_logp_actions (N,), and advantages (N,).
        clip: range of the probability ratio.
    """
    log_ratio = (batch["old_logp_actions"] - neglogp).clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    advantages = batch["advantages"]
    with torch.no_grad():
        kl = 0.5 * ((mean - batch["mu"]) / sigma).square().sum(-1).mean()
        clip_fraction = (ratio != clipped).float().mean()
    return ActorLosses(
        surrogate=-torch.minimum(ratio * advantages, clipped * advantages).mean(),
        bounds=(mean.abs() - 1.0).clamp_min(0.0).square().sum(-1).mean(),
        kl=kl,
        clip_fraction=clip_fraction,
    )
