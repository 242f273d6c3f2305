import pytest

from hoigym.agents.config import AgentConfig, AgentConfigError, resolve_minibatch_size
from hoigym.agents.rl_games_adapter import rl_games_params
from tests.agents.toy_env import ToyEnv


def test_defaults_are_the_published_constants() -> None:
    config = AgentConfig()
    assert config.hidden_sizes == (1024, 512, 512)
    assert (config.gamma, config.lam, config.learning_rate, config.clip) == (0.99, 0.95, 2e-5, 0.2)
    assert (config.critic_coef, config.bounds_coef, config.log_sigma) == (5.0, 10.0, -2.9)
    assert (config.horizon, config.mini_epochs, config.max_epochs) == (32, 6, 20_000)
    assert resolve_minibatch_size(config, num_envs=2048) == 16_384


@pytest.mark.parametrize(
    ("num_envs", "expected"),
    [(4096, 16_384), (1024, 8192), (64, 512), (1, 8), (97, 776), (6000, 16_000)],
)
def test_minibatch_is_the_largest_fitting_divisor(num_envs: int, expected: int) -> None:
    size = resolve_minibatch_size(AgentConfig(), num_envs)
    assert size == expected
    assert num_envs * 32 % size == 0


def test_given_minibatch_must_divide_the_epoch() -> None:
    assert resolve_minibatch_size(AgentConfig(minibatch_size=256), 64) == 256
    with pytest.raises(AgentConfigError, match=r"1000 does not divide the 2048 samples .* 512 does"):
        resolve_minibatch_size(AgentConfig(minibatch_size=1000), 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "agent.horizon must be at least 1, not 0"),
        ({"learning_rate": 0.0}, "agent.learning_rate must be above 0"),
        ({"gamma": 1.5}, r"agent.gamma must lie in 0..1, not 1.5"),
        ({"gamma": float("nan")}, r"agent.gamma must lie in 0..1"),
        ({"hidden_sizes": ()}, "agent.hidden_sizes"),
        ({"critic_warmup_epochs": -1}, "agent.critic_warmup_epochs must not be negative"),
        ({"learning_rate_min": 1.0}, "learning_rate_min is above"),
        ({"seed": 2**31}, "agent.seed must be below 2147483648"),
    ],
)
def test_impossible_values_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(AgentConfigError, match=message):
        AgentConfig(**change)  # type: ignore[arg-type]


def test_settings_reach_rl_games() -> None:
    config = AgentConfig(gamma=0.97, lam=0.9, clip=0.1, max_grad_norm=2.0, mini_epochs=3)
    params = rl_games_params(config, ToyEnv(64), "scratch")["config"]
    assert (params["gamma"], params["tau"], params["e_clip"], params["mini_epochs"]) == (0.97, 0.9, 0.1, 3)
    assert params["truncate_grads"]
    assert params["grad_norm"] == 2.0
    assert params["minibatch_size"] == 512
