"""Loss terms of PPO, its advantages, and its step size."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


def estimate_advantages(
    rewards: Tensor, values: Tensor, next_values: Tensor, dones: Tensor, *, gamma: float, lam: float
) -> Tensor:
    """Advantages of a rollout (Schulman et al., "High-Dimensional Continuous Control Using GAE", 2016).

    A terminated step has no future, a timed-out one has the value of the observation it stopped at:
    both are said by `next_values`, while `dones` only cuts the sum over steps.

    Args:
        rewards: (T, N) reward of each step.
        values: (T, N) value of the observation each step started from.
        next_values: (T, N) value of the observation each step led to, before any reset; zero where the
            episode terminated.
        dones: (T, N) bool, the episode ended with this step, for either reason.
        gamma: Discount per step.
        lam: Decay of the estimator.

    Returns:
        (T, N) advantages.
    """
    deltas = rewards + gamma * next_values - values
    decay = gamma * lam * (~dones).to(rewards.dtype)
    advantages = torch.empty_like(rewards)
    running = torch.zeros_like(rewards[0])
    for step in range(len(rewards) - 1, -1, -1):
        running = deltas[step] + decay[step] * running
        advantages[step] = running
    return advantages


# --- What the actor's gradient steps minimise, and how far they have taken the policy -------------------------------


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


# --- A step size that keeps the policy's change per epoch near a wanted one -----------------------------------------


TOO_MUCH = 2.0
"""An epoch that moved the policy this many times as far as wanted lowers the step size."""
TOO_LITTLE = 0.5
LARGEST_RAISE = 1.5
LARGEST_CUT = 0.1


def moved_too_far(kl: float, wanted: float) -> bool:
    """Whether the KL divergence of an epoch so far calls for an end of the actor's steps."""
    return not kl <= TOO_MUCH * wanted


def adapted_learning_rate(current: float, kl: float, wanted: float, *, lowest: float, highest: float) -> float:
    """The step size of the next epoch.

    For small steps the divergence grows with the square of the step size, so a step that was too long is
    cut by the square root; too short a one grows by half at most, as is usual in the field.

    Args:
        current: Step size of this epoch.
        kl: KL divergence of the policy from the one that acted, at the epoch's end.
        wanted: The divergence that is wanted.
        lowest: Lower limit of the step size.
        highest: Upper limit.
    """
    factor = 1.0
    if not math.isfinite(kl):
        factor = LARGEST_CUT
    elif moved_too_far(kl, wanted):
        factor = max(math.sqrt(wanted / kl), LARGEST_CUT)
    elif kl < TOO_LITTLE * wanted:
        factor = LARGEST_RAISE
    return min(max(current * factor, lowest), highest)
