"""A point that must run to a target: the smallest environment with everything the agent asks for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

TIME_LIMIT = 16
EDGE = 1.5
SPEED = 0.2
RECORDED = 0.4
"""Mean speed of the recorded moves, as an action."""


class ToyEnv(VectorEnv[Any, Any, Any]):
    """N points in the plane; observations (N, 6): point, target, offset; actions (N, 2): velocity.

    The reward is the mean of two terms, `near` (close to the target) and `calm` (small action). A point
    that leaves the square terminates, after `TIME_LIMIT` steps it is truncated.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, num_envs: int = 16) -> None:
        self.num_envs = num_envs
        self.device = torch.device("cpu")
        self.single_observation_space = Box(-np.inf, np.inf, (6,), np.float32)
        self.single_action_space = Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = Box(-np.inf, np.inf, (num_envs, 6), np.float32)
        self.action_space = Box(-1.0, 1.0, (num_envs, 2), np.float32)
        self.generator = torch.Generator()
        self.point = torch.zeros(num_envs, 2)
        self.target = torch.zeros(num_envs, 2)
        self.steps = torch.zeros(num_envs, dtype=torch.long)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        if seed is not None:
            self.generator.manual_seed(seed)
        self._restart(torch.ones(self.num_envs, dtype=torch.bool))
        return self._obs(), {}

    def step(self, actions: Tensor, /) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        self.point = self.point + SPEED * actions
        self.steps = self.steps + 1
        near = torch.exp(-4.0 * (self.point - self.target).square().sum(-1))
        calm = torch.exp(-actions.square().sum(-1))
        terminated = (self.point.abs() > EDGE).any(-1)
        truncated = ~terminated & (self.steps >= TIME_LIMIT)
        final_obs = self._obs()
        self._restart(terminated | truncated)
        info = {
            "final_obs": final_obs,
            "reward_terms": {"near": near, "calm": calm},
            "diverged": torch.zeros(self.num_envs, dtype=torch.bool, device=self.device),
        }
        return self._obs(), 0.5 * (near + calm), terminated, truncated, info

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "point": self.point.clone(),
            "target": self.target.clone(),
            "steps": self.steps.clone(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Tensor], /) -> None:
        self.point = state["point"].clone()
        self.target = state["target"].clone()
        self.steps = state["steps"].clone()
        self.generator.set_state(state["generator"])

    def _restart(self, rows: Tensor) -> None:
        fresh = 2.0 * torch.rand(2, self.num_envs, 2, generator=self.generator, device=self.device) - 1.0
        self.point = torch.where(rows.unsqueeze(1), fresh[0], self.point)
        self.target = torch.where(rows.unsqueeze(1), fresh[1], self.target)
        self.steps = torch.where(rows, 0, self.steps)

    def _obs(self) -> Tensor:
        return torch.cat([self.point, self.target, self.target - self.point], dim=-1)


class MovingToyEnv(ToyEnv):
    """The toy that also shows its last move, and "recorded" ones: to the right, as noisy as a policy of sigma 1/e."""

    width = 2

    def watch_motion(self, length: int) -> "MovingToyEnv":
        assert length == 2
        return self

    def demonstrate(self, count: int) -> Tensor:
        return SPEED * (torch.tensor([RECORDED, 0.0]) + torch.randn(count, 2) / torch.e)

    def step(self, actions: Tensor, /) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        before = self.point
        obs, reward, terminated, truncated, info = super().step(actions)
        return obs, reward, terminated, truncated, {**info, "motion": info["final_obs"][:, :2] - before}
