"""rl-games: how our settings, network and environment are told to it."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from gymnasium import Space
from gymnasium.vector import AutoresetMode
from rl_games.algos_torch import model_builder
from rl_games.algos_torch.network_builder import NetworkBuilder
from rl_games.common.algo_observer import AlgoObserver
from rl_games.common.ivecenv import IVecEnv
from torch import Tensor, nn

from hoigym.agents.config import AgentConfig, resolve_minibatch_size
from hoigym.agents.network import ActorCritic
from hoigym.core.errors import UserError


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


# --- How our settings and network are told to rl-games --------------------------------------------------------------


NETWORK_NAME = "hoigym_actor_critic"


class ActorCriticBuilder(NetworkBuilder):
    """Lets rl-games' model factory build our network."""

    def load(self, params: dict[str, Any]) -> None:
        self.params = params

    def build(self, name: str, **kwargs: Any) -> nn.Module:
        return ActorCritic(
            kwargs["input_shape"][0],
            kwargs["actions_num"],
            tuple(self.params["hidden_sizes"]),
            self.params["log_sigma"],
        )


model_builder.register_network(NETWORK_NAME, ActorCriticBuilder)


def rl_games_params(config: AgentConfig, env: TrainingEnv, scratch: str) -> dict[str, Any]:
    """The parameter dictionary of an rl-games agent that trains on `env`.

    Args:
        config: Our settings.
        env: The environment; its device is the agent's.
        scratch: A folder for the files rl-games writes on its own account.
    """
    vec_env = RlGamesVecEnv(env)
    return {
        "model": {"name": "continuous_a2c_logstd"},
        "network": {
            "name": NETWORK_NAME,
            "hidden_sizes": list(config.hidden_sizes),
            "log_sigma": config.log_sigma,
        },
        "config": {
            "name": "hoigym",
            "full_experiment_name": "hoigym",
            "train_dir": scratch,
            "features": {"observer": AlgoObserver()},
            "env_name": "hoigym",
            "vec_env": vec_env,
            "env_info": vec_env.get_env_info(),
            "num_actors": env.num_envs,
            "device": str(env.device),
            "reward_shaper": None,
            "gamma": config.gamma,
            "tau": config.lam,
            "learning_rate": config.learning_rate,
            "lr_schedule": None,
            "e_clip": config.clip,
            "clip_value": False,
            "critic_coef": config.critic_coef,
            "bounds_loss_coef": config.bounds_coef,
            "entropy_coef": 0.0,
            "truncate_grads": config.max_grad_norm > 0.0,
            "grad_norm": config.max_grad_norm,
            "normalize_input": True,
            "normalize_value": True,
            "normalize_advantage": True,
            "horizon_length": config.horizon,
            "seq_length": 1,
            "minibatch_size": resolve_minibatch_size(config, env.num_envs),
            "mini_epochs": config.mini_epochs,
        },
    }


@contextmanager
def no_deprecations() -> Iterator[None]:
    """rl-games scripts its normalisers, which torch would rather see compiled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
