"""How our settings and network are told to rl-games."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rl_games.algos_torch import model_builder
from rl_games.algos_torch.network_builder import NetworkBuilder
from rl_games.common.algo_observer import AlgoObserver
from torch import nn

from agents.config import AgentConfig, resolve_minibatch_size
from agents.network import ActorCritic
from agents.vec_env import RlGamesVecEnv, TrainingEnv

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
