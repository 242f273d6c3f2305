import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hoigym.agents.config import AgentConfig
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.rl_games_adapter import RlGamesVecEnv
from hoigym.core.errors import UserError
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv
from tests.envs.no_waiting import no_waiting


def make_agent(config: AgentConfig, env: ToyEnv | None = None) -> PPOAgent:
    env = env or ToyEnv(16)
    torch.manual_seed(config.seed)
    agent = PPOAgent(env, config)
    agent.init_tensors()
    agent.current_obs = env.reset(seed=config.seed)[0]
    return agent


class ScriptedEnv(ToyEnv):
    """Two worlds whose endings are written down: observations count steps, rewards are 1, 2, 3, ..."""

    def __init__(self, terminated: list[list[bool]], truncated: list[list[bool]], diverged: int = -1) -> None:
        super().__init__(2)
        self.script = [torch.tensor(rows) for rows in (terminated, truncated)]
        self.count = 0
        self.diverged_at = diverged

    def observation(self, number: int) -> Tensor:
        return torch.full((2, 6), 0.1 * number)

    def reset(self, **_: Any) -> tuple[Tensor, dict[str, Any]]:
        return self.observation(0), {}

    def step(self, actions: Tensor, /) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        step = self.count
        self.count += 1
        final_obs = self.observation(10 + step)
        diverged = torch.full((2,), step == self.diverged_at)
        final_obs[diverged] = torch.nan
        info = {"final_obs": final_obs, "reward_terms": {}, "diverged": diverged}
        reward = torch.full((2,), step + 1.0)
        return self.observation(step + 1), reward, self.script[0][step], self.script[1][step], info


def value_of(agent: PPOAgent, obs: Tensor) -> Tensor:
    """The critic's value, computed from its parts."""
    moments = agent.model.running_mean_std
    scaled = (obs - moments.running_mean.float()) / torch.sqrt(moments.running_var.float() + 1e-5)
    raw = agent.policy.critic(scaled.clamp(-5, 5))
    value = agent.model.value_mean_std
    return (raw * torch.sqrt(value.running_var.float() + 1e-5) + value.running_mean.float()).detach()[:, 0]


@pytest.mark.parametrize("never_wait", [False, True])
def test_time_out_is_followed_by_the_value_of_its_final_observation(never_wait: bool) -> None:
    """World 0 terminates at step 1, world 1 is truncated there; by hand, from the critic's own values."""
    no = [False, False]
    env = ScriptedEnv([no, [True, False], no], [no, [False, True], no])
    agent = make_agent(quick(horizon=3, minibatch_size=6), env)
    agent.never_wait = never_wait
    agent.model.value_mean_std.running_mean.fill_(2.0)
    agent.model.value_mean_std.running_var.fill_(9.0)
    with torch.no_grad():
        batch = agent.play_steps()
    gamma, lam = 0.95, 0.95
    v = [value_of(agent, env.observation(step)) for step in range(4)]
    stopped_at = value_of(agent, env.observation(11))
    tail = 3.0 + gamma * v[3] - v[2]
    middle = 2.0 + gamma * stopped_at * torch.tensor([0.0, 1.0]) - v[1]
    first = 1.0 + gamma * v[1] - v[0] + gamma * lam * middle
    expected = torch.stack([first + v[0], middle + v[1], tail + v[2]])
    torch.testing.assert_close(batch["returns"].view(2, 3).T, expected)
    assert abs(stopped_at - v[1]).min() > 1e-3, "the test must tell the two observations apart"


@pytest.mark.parametrize("never_wait", [False, True])
def test_a_diverged_world_has_no_future(never_wait: bool) -> None:
    no = [False, False]
    env = ScriptedEnv([no, no], [no, [True, True]], diverged=1)
    agent = make_agent(quick(horizon=2, minibatch_size=4), env)
    agent.never_wait = never_wait
    with torch.no_grad():
        returns = agent.play_steps()["returns"].view(2, 2)
    torch.testing.assert_close(returns[:, 1], torch.full((2,), 2.0))


def test_reward_rises_on_the_toy_task() -> None:
    agent = make_agent(quick(), ToyEnv(64))
    first = agent.train_epoch()[0]
    for _ in range(40):
        last = agent.train_epoch()[0]
    assert first.reward_terms["near"] < 0.25
    assert last.reward_terms["near"] > 0.6
    assert last.reward > first.reward + 0.15
    assert last.reward == pytest.approx(sum(last.reward_terms.values()) / 2, abs=1e-6)


def test_bfloat16_learns_too() -> None:
    agent = make_agent(quick(precision="bfloat16"), ToyEnv(64))
    rewards = [agent.train_epoch()[0].reward_terms["near"] for _ in range(40)]
    assert rewards[-1] > 0.55


def test_precision_is_that_of_the_networks_alone() -> None:
    """An environment whose matrix products were rounded would give other numbers to a run of another precision."""
    seen: dict[str, set[str]] = {"env": set(), "forward": set(), "backward": set()}

    def note(where: str) -> None:
        seen[where].add(torch.get_float32_matmul_precision())

    class Noting(ToyEnv):
        def step(self, actions, /):
            note("env")
            return super().step(actions)

    agent = make_agent(quick(precision="medium"), Noting(16))
    for head in (agent.policy.actor[-1], agent.policy.critic[-1]):
        assert isinstance(head, torch.nn.Linear)
        head.register_forward_pre_hook(lambda *_: note("forward"))
        head.weight.register_hook(lambda _: note("backward"))
    agent.train_epoch()
    assert seen == {"env": {"highest"}, "forward": {"medium"}, "backward": {"medium"}}
    assert torch.get_float32_matmul_precision() == "highest"


def test_neither_rollout_nor_gradient_steps_wait_for_a_device() -> None:
    agent = make_agent(quick(max_grad_norm=1.0, critic_warmup_epochs=1))
    agent.never_wait = True
    agent.train_epoch()
    agent.update_epoch()
    with no_waiting(), torch.no_grad():
        batch = agent.play_steps()
        agent._learn_normaliser(batch["obses"])
        agent.prepare_dataset(batch)
    agent.actor_rests = False
    with no_waiting():
        for index in range(len(agent.dataset)):
            agent.calc_gradients(agent.dataset[index])  # pyright: ignore[reportArgumentType]


def test_first_gradient_step_starts_from_the_policy_that_acted() -> None:
    """Nothing may shift between rollout and update: at the first step every ratio is one."""
    for precision in ("highest", "bfloat16"):
        agent = make_agent(quick(mini_epochs=1, minibatch_size=256, precision=precision))
        agent.train_epoch()
        update = agent.train_epoch()[1]
        assert update.kl == pytest.approx(0.0, abs=1e-9)
        assert update.clip_fraction == 0.0
        assert update.actor_loss == pytest.approx(0.0, abs=1e-5)


def test_normaliser_holds_the_moments_of_all_observations() -> None:
    agent = make_agent(quick())
    seen = []
    learn = agent._learn_normaliser
    agent._learn_normaliser = lambda obs: (seen.append(obs), learn(obs))[1]  # type: ignore[method-assign]
    for _ in range(3):
        agent.train_epoch()
    obs = torch.cat([torch.zeros(1, 6), *seen]).double()
    moments = agent.model.running_mean_std
    torch.testing.assert_close(moments.running_mean, obs.mean(0), rtol=1e-5, atol=1e-7)
    prior = 1.0 / len(obs)  # rl-games starts from one sample of mean 0 and variance 1
    torch.testing.assert_close(moments.running_var, obs.var(0, correction=0) + prior, rtol=1e-4, atol=1e-6)


def test_critic_warm_up_leaves_the_actor_bit_identical() -> None:
    agent = make_agent(quick(critic_warmup_epochs=2, bounds_coef=10.0))
    with torch.no_grad():
        list(agent.policy.actor.parameters())[-1].fill_(1.5)  # the bounds loss alone would move it
    actor = [value.clone() for value in agent.policy.actor.parameters()]
    critic = [value.clone() for value in agent.policy.critic.parameters()]
    agent.train_epoch()
    moments = agent.model.running_mean_std.running_mean.clone()
    agent.train_epoch()
    assert all(map(torch.equal, actor, agent.policy.actor.parameters()))
    assert not any(map(torch.equal, critic, agent.policy.critic.parameters()))
    assert torch.equal(moments, agent.model.running_mean_std.running_mean)
    agent.train_epoch()
    assert not any(map(torch.equal, actor, agent.policy.actor.parameters()))


@pytest.mark.parametrize(("start", "direction"), [(1e-5, 1), (3e-2, -1)])
def test_adaptive_learning_rate_moves_towards_the_wanted_change(start: float, direction: int) -> None:
    config = quick(schedule="adaptive", kl_per_action=0.005, learning_rate=start, learning_rate_max=0.1, max_epochs=20)
    agent = make_agent(config)
    for _ in range(12):
        agent.train_epoch()
    assert (agent.last_lr - start) * direction > 0
    kls = [agent.train_epoch()[1].kl for _ in range(10)]
    wanted = 2 * 0.005
    assert 0.2 * wanted < sum(kls) / 10 < 5 * wanted
    assert agent.optimizer.param_groups[0]["lr"] == agent.last_lr


def test_too_far_a_step_ends_the_actors_epoch() -> None:
    """A step size 100 times too long: one pass, then only the critic learns; the next epoch is careful."""
    config = quick(schedule="adaptive", kl_per_action=0.005, learning_rate=0.1, learning_rate_max=0.1)
    agent = make_agent(config)
    steps: list[bool] = []
    gradients = agent.calc_gradients
    agent.calc_gradients = lambda input_dict: (steps.append(agent.actor_rests), gradients(input_dict))[1]
    agent.train_epoch()
    assert steps == [False] * 4 + [True] * 12
    assert agent.last_lr <= 0.05


def test_critic_keeps_its_own_step_size() -> None:
    config = quick(schedule="adaptive", kl_per_action=1e-9, learning_rate=1e-3, critic_learning_rate=5e-3)
    agent = make_agent(config)
    agent.train_epoch()
    assert agent.last_lr == pytest.approx(1e-4)
    assert [group["lr"] for group in agent.optimizer.param_groups] == pytest.approx([1e-4, 5e-3])


def test_wanted_change_scales_with_the_number_of_actions() -> None:
    agent = make_agent(quick(kl_per_action=0.01))
    assert agent.wanted_kl == pytest.approx(2 * 0.01)


class HalfDeafEnv(ToyEnv):
    """Says that only the second action moves anything."""

    moving_actions = torch.tensor([1])


def test_actions_that_move_nothing_are_not_learned() -> None:
    agent = make_agent(quick(kl_per_action=0.01, mini_epochs=1), HalfDeafEnv(16))
    assert agent.wanted_kl == pytest.approx(0.01)
    head = list(agent.policy.actor.parameters())[-2]
    before = head.detach().clone()
    agent.train_epoch()
    assert torch.equal(head[0], before[0])
    assert not torch.equal(head[1], before[1])
    noise = agent.experience_buffer.tensor_dict
    sigma = agent.policy.log_sigma[1].exp()
    away = ((noise["actions"] - noise["mus"])[..., 1] / sigma).square() / 2.0
    expected = away + sigma.log() + 0.5 * math.log(2.0 * math.pi)
    torch.testing.assert_close(noise["neglogpacs"], expected)


def test_constant_learning_rate_stays() -> None:
    agent = make_agent(quick(learning_rate=3e-2))
    agent.train_epoch()
    assert agent.last_lr == 3e-2


def test_network_is_the_published_one() -> None:
    agent = make_agent(AgentConfig())
    actor = sum(value.numel() for value in agent.policy.actor.parameters())
    sizes = [6 * 1024 + 1024, 1024 * 512 + 512, 512 * 512 + 512]
    assert actor == sum(sizes) + 512 * 2 + 2
    assert torch.equal(agent.policy.log_sigma, torch.full((2,), -2.9))
    assert "log_sigma" not in dict(agent.policy.named_parameters())
    biases = [value for name, value in agent.policy.actor.named_parameters() if name.endswith("bias")]
    assert len(biases) == 4
    assert not any(bias.any() for bias in biases)


def test_other_autoreset_modes_are_refused() -> None:
    env = ToyEnv(2)
    env.metadata = {}
    with pytest.raises(UserError, match="SAME_STEP"):
        RlGamesVecEnv(env)


def test_rl_games_keeps_silent(capsys: pytest.CaptureFixture[str]) -> None:
    make_agent(quick()).train_epoch()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""
