"""Playing a trained policy: always its mean action."""

from pathlib import Path

import torch
from torch import Tensor

from agents.network import build_mlp
from agents.normaliser import normalise
from agents.policy import PolicyWeights, load_policy
from motions.errors import UserError


class PlayerError(UserError):
    """A policy does not fit the task it is asked to play."""


class Player:
    """A deterministic policy.

    Attributes:
        task: Name of the task it was trained on.
        obs_size: Width of the observations it takes.
        action_size: Width of its actions.
        weights: Where it came from, and its card.
    """

    def __init__(self, weights: PolicyWeights, device: torch.device | str = "cpu") -> None:
        self.weights = weights
        self.task = weights.task
        self.obs_size, self.action_size = weights.obs_size, weights.action_size
        self._actor = build_mlp(self.obs_size, weights.hidden_sizes, self.action_size)
        self._actor.load_state_dict(weights.actor)
        self._actor.to(device).requires_grad_(False)
        self._mean, self._var = weights.obs_mean.to(device), weights.obs_var.to(device)

    @torch.no_grad()
    def act(self, obs: Tensor) -> Tensor:
        """Mean actions (N, A) in -1..1 for observations (N, O). Raises PlayerError where O is wrong."""
        if obs.shape[-1] != self.obs_size:
            raise PlayerError(_wrong_size(self.weights, obs.shape[-1]))
        return self._actor(normalise(obs, self._mean, self._var)).clamp(-1.0, 1.0)


def load_player(
    path: Path, *, task: str | None = None, obs_size: int | None = None, device: torch.device | str = "cpu"
) -> Player:
    """The player of an exported policy, a checkpoint, or a run.

    Args:
        path: Folder of any of the three.
        task: Task that will be played; None does not ask.
        obs_size: Width of the task's observations; None does not ask.
        device: Where to act.

    Raises UserError, one line, where the policy is missing, damaged, of another task or another size.
    """
    weights = load_policy(path)
    if task is not None and weights.task != task:
        raise PlayerError(f"{weights.path} is a policy for {weights.task}, not for {task}")
    if obs_size is not None and weights.obs_size != obs_size:
        raise PlayerError(_wrong_size(weights, obs_size))
    return Player(weights, device)


def _wrong_size(weights: PolicyWeights, obs_size: int) -> str:
    return f"{weights.path} takes observations of {weights.obs_size} numbers, the task gives {obs_size}"
