import pytest
import torch
from torch import Tensor

from agents.cloning import CloningError, clone_actor, load_weights
from agents.player import load_player
from agents.policy import load_policy
from agents.ppo import PPOAgent
from agents.training import train
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv


def expert_batches(count: int = 8) -> list[tuple[Tensor, Tensor]]:
    """Observations of the toy task and the action that runs straight to the target."""
    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        place = 2.0 * torch.rand(2, 512, 2, generator=generator) - 1.0
        offset = place[1] - place[0]
        batches.append((torch.cat([place[0], place[1], offset], -1), (2.0 * offset).clamp(-0.8, 0.8)))
    return batches


def make_agent() -> PPOAgent:
    torch.manual_seed(0)
    agent = PPOAgent(ToyEnv(64), quick(critic_warmup_epochs=1))
    agent.init_tensors()
    return agent


def test_actor_repeats_the_targets() -> None:
    agent = make_agent()
    critic = [value.clone() for value in agent.policy.critic.parameters()]
    batches = expert_batches()
    error = clone_actor(agent.model, iter(batches), steps=600, batch_size=256, learning_rate=2e-3)
    obs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    mean = agent.policy.mean_action(agent.model.norm_obs(obs)).detach()
    assert error == pytest.approx(float((mean - targets).square().mean().sqrt()), rel=1e-5)
    assert error < 0.05
    assert all(map(torch.equal, critic, agent.policy.critic.parameters()))
    moments = agent.model.running_mean_std
    torch.testing.assert_close(moments.running_mean.float(), obs.mean(0), rtol=0, atol=1e-3)
    assert float(moments.count) == len(obs) + 1


def test_cloned_policy_is_good_at_once_and_stays_through_warm_up(tmp_path) -> None:
    """The first epoch already earns what training from scratch needs dozens for."""
    errors: list[float] = []

    def warm_start(agent: PPOAgent) -> None:
        errors.append(clone_actor(agent.model, expert_batches(), steps=400, learning_rate=2e-3))

    config = quick(max_epochs=1, critic_warmup_epochs=1, log_sigma=-2.9)
    cloned = train(tmp_path / "cloned", ToyEnv(64), config, task="toy", warm_start=warm_start)
    plain = train(tmp_path / "plain", ToyEnv(64), config, task="toy")
    assert errors[0] < 0.1
    assert cloned.mean_reward > plain.mean_reward + 0.15


def test_nothing_to_clone_is_refused() -> None:
    with pytest.raises(CloningError, match="no data"):
        clone_actor(make_agent().model, [])
    bad = torch.full((4, 6), torch.nan)
    with pytest.raises(CloningError, match="NaN"):
        clone_actor(make_agent().model, [(bad, torch.zeros(4, 2))])


def test_start_from_another_policy(tmp_path) -> None:
    run = tmp_path / "run"
    train(run, ToyEnv(8), quick(max_epochs=2), task="toy")
    agent = make_agent()
    load_weights(agent.model, load_policy(run))
    obs = torch.randn(5, 6)
    expected = load_player(run).act(obs)
    mean = agent.policy.mean_action(agent.model.norm_obs(obs)).clamp(-1, 1).detach()
    torch.testing.assert_close(mean, expected, rtol=0, atol=1e-6)
    wide = PPOAgent(ToyEnv(8), quick(hidden_sizes=(32, 32)))
    with pytest.raises(CloningError, match="not of the size"):
        load_weights(wide.model, load_policy(run))
