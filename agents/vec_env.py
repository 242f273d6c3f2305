"""What the agent asks of an environment, and rl-games' view of it."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from gymnasium import Space
from gymnasium.vector import AutoresetMode
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor

from motions.errors import UserError


class TrainingEnv(Protocol):
    """A `gymnasium.vector.VectorEnv` on tensors that resets within the step and can be stored.

    `step` gives (obs (N, O), reward (N,), terminated (N,) bool, truncated (N,) bool, info). info holds
    `final_obs` (N, O), the observation before the reset, and may hold `reward_terms` (dict of (N,)) and
    `diverged` (N,) bool, worlds that had to be thrown away. An environment may have `counters`, running totals
    of events by name, () int64, and `moving_actions` (M,) long, where not every action has an effect those that do.
    """

    @property
    def num_envs(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def single_observation_space(self) -> Space[Any]: ...

    @property
    def single_action_space(self) -> Space[Any]: ...

    @property
    def metadata(self) -> Mapping[str, Any]: ...

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]: ...

    def step(self, actions: Tensor, /) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]: ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor], /) -> None: ...


class RlGamesVecEnv(IVecEnv):
    """Passes tensors of a `TrainingEnv` through to rl-games, without a copy.

    rl-games knows only "done"; what must not be lost, termination and time-out, travels in the info
    dictionary as `terminated` and `truncated`, beside the environment's own `final_obs`.

    Raises UserError where the environment does not reset itself within the step (SAME_STEP).
    """

    def __init__(self, env: TrainingEnv) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise UserError(f"the agent needs an environment with autoreset mode SAME_STEP, not {mode}")
        self.env = env

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """Observations (N, O), rewards (N,), dones (N,) bool and info after actions (N, A)."""
        obs, rewards, terminated, truncated, info = self.env.step(actions)
        info = {**info, "terminated": terminated, "truncated": truncated}
        return obs, rewards, terminated | truncated, info

    def reset(self) -> Tensor:
        """Observations (N, O) of freshly reset environments."""
        return self.env.reset()[0]

    def get_env_info(self) -> dict[str, Any]:
        """Spaces of one environment, as rl-games asks for them."""
        return {
            "observation_space": self.env.single_observation_space,
            "action_space": self.env.single_action_space,
        }
