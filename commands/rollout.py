"""A policy run for a number of steps, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rollout:
    """Sums over steps and environments.

    reward and terms: means per step; terminated: episodes that failed; truncated: episodes that ran to their end;
    diverged: worlds the engine had to reset.
    """

    steps: int
    num_envs: int
    reward: float
    terms: dict[str, float]
    terminated: int
    truncated: int
    diverged: int

    def __str__(self) -> str:
        terms = "  ".join(f"{name} {value:.3f}" for name, value in self.terms.items())
        return (
            f"{self.num_envs} environments x {self.steps} steps: reward {self.reward:.3f}  {terms}\n"
            f"episodes: {self.truncated} to the end, {self.terminated} failed; "
            f"{self.diverged} worlds diverged"
        )


@torch.no_grad()
def rollout(env: Any, act: Callable[[Tensor], Tensor], *, steps: int) -> Rollout:
    """Runs act, observations (N, O) -> actions (N, A), for so many control steps."""
    obs, _ = env.reset()
    reward_sum = torch.zeros((), dtype=torch.float64)
    terms: dict[str, float] = {}
    terminated = truncated = diverged = 0
    for _ in range(steps):
        obs, reward, failed, ended, info = env.step(act(obs))
        reward_sum += reward.double().mean().cpu()
        for name, value in info.get("reward_terms", {}).items():
            terms[name] = terms.get(name, 0.0) + float(value.mean()) / steps
        terminated += int(failed.sum())
        truncated += int((ended & ~failed).sum())
        diverged += int(info["diverged"].sum()) if "diverged" in info else 0
    return Rollout(steps, env.num_envs, float(reward_sum) / steps, terms, terminated, truncated, diverged)
