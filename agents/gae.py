"""Generalised advantage estimation with time-outs told apart from terminations."""

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
