"""The PPO agent: rl-games' continuous agent with an exact treatment of time-outs."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, cast

import torch
from rl_games.algos_torch.a2c_continuous import A2CAgent
from rl_games.common.a2c_common import swap_and_flatten01
from tensorboardX import SummaryWriter
from torch import Tensor

from hoigym.agents.config import AgentConfig
from hoigym.agents.losses import ActorLosses, actor_losses, adapted_learning_rate, estimate_advantages, moved_too_far
from hoigym.agents.network import ActorCritic, learn_moments
from hoigym.agents.precision import settle_precision
from hoigym.agents.rl_games_adapter import RlGamesVecEnv, TrainingEnv, no_deprecations, rl_games_params
from hoigym.agents.stats import RolloutRecorder, RolloutStats, SectionTimer, UpdateStats
from hoigym.core.device import matrix_products
from hoigym.core.processes import ALONE, Ranks


class PPOAgent(A2CAgent):
    """PPO with a fixed action noise, time-outs bootstrapped from `final_obs`.

    From rl-games come the model with its running normalisers, Adam, the experience buffer, the
    minibatches and the preparation of returns and advantages. Written here is what differs:

    - a step that timed out is followed by the value of the observation it stopped at, a step that
      terminated, or whose world diverged, by zero;
    - the input normaliser learns once per epoch and counts from the next rollout on, so that the policy
      that is updated is the one that acted (rl-games moves it in between, and with it every ratio);
    - the KL divergence is exact (rl-games' estimate is off by -0.26 at a noise of 0.055 and 156
      actions) and measured against the policy that acted;
    - actions that move nothing, those of locked joints, have no part in the probability ratio or the
      divergence: their noise would only blur the gradient;
    - nothing waits for the device within a rollout, nor within an update but for one number a pass (the
      adaptive schedule's, which decides whether the actor goes on).

    Attributes:
        current_obs: (N, O) observations the next rollout starts from; set before the first epoch.
        actor_rests: Only the critic learns: during its warm-up, and for the rest of an epoch of the
            adaptive schedule in which the policy has moved too far.
        moving: (M,) long, the actions that move something; None where all do.
        never_wait: Evaluate every final observation rather than ask the device which are needed.
        ranks: The processes that train this policy together, each on an environment of its own.
    """

    current_obs: Tensor

    def __init__(self, env: TrainingEnv, config: AgentConfig) -> None:
        with tempfile.TemporaryDirectory() as scratch, redirect_stdout(io.StringIO()), no_deprecations():
            super().__init__("hoigym", rl_games_params(config, env, scratch))
            cast(SummaryWriter, self.writer).close()
        self.settings = settle_precision(config, env)
        self.stepper = cast(RlGamesVecEnv, self.vec_env)
        self.optimizer = self._make_optimizer()
        self.actor_rests = False
        moving: Tensor | None = getattr(env, "moving_actions", None)
        self.moving = None if moving is None or len(moving) == self.actions_num else moving
        self.never_wait = self.obs_device.type != "cpu"
        self.timer = SectionTimer(self.obs_device)
        self.recorder = RolloutRecorder(env.num_envs, self.obs_device)
        self.ranks = ALONE
        self.model.eval()

    def join(self, ranks: Ranks) -> None:
        """Train with other processes from now on, beginning with the first one's weights.

        Gradients, normalisers, KL divergence and statistics are those of all; only advantages are normalised
        by each process for itself.
        """
        self.ranks = ranks
        # rl-games then averages the gradients before each step; told so earlier, it would insist on NCCL.
        self.multi_gpu, self.world_size = ranks.count > 1, ranks.count
        ranks.share(self.model)

    @property
    def obs_device(self) -> torch.device:
        return torch.device(self.ppo_device)

    @property
    def policy(self) -> ActorCritic:
        """The actor and critic inside rl-games' model."""
        return cast(ActorCritic, self.model.a2c_network)

    @property
    def warming_up(self) -> bool:
        """Whether the actor is still frozen in the epoch under way."""
        return self.epoch_num <= self.settings.critic_warmup_epochs

    @torch.no_grad()
    def mean_action(self, obs: Tensor) -> Tensor:
        """Mean actions (N, A) in -1..1 for observations (N, O), as a player gives them."""
        return self.policy.mean_action(self.model.norm_obs(obs)).clamp(-1.0, 1.0)

    def extra_state(self) -> dict[str, Tensor]:
        """What an exact continuation needs beside model and optimiser."""
        return {}

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """Continues with what `extra_state` gave; raises CheckpointError where it does not fit."""

    def train_epoch(self) -> tuple[RolloutStats, UpdateStats]:
        """One rollout and the update on it."""
        self.update_epoch()
        with torch.no_grad():
            batch = self.play_steps()
        with self._networks("update"):
            raw_obs = batch["obses"]
            batch["obses"] = self.model.norm_obs(raw_obs)
            self._learn_normaliser(raw_obs)
            self.prepare_dataset(batch)
            update = self._update()
        self.dataset.update_values_dict(None)
        self.frame += self.batch_size * self.ranks.count
        return self.recorder.collect(self.ranks), update

    # --- rollout ---------------------------------------------------------------------------------

    def init_tensors(self) -> None:
        super().init_tensors()
        self.update_list = ["actions", "neglogpacs", "values", "mus"]
        self.tensor_list = [*self.update_list, "obses"]
        store = self.experience_buffer.tensor_dict
        del store["sigmas"]
        store["dones"] = store["dones"].bool()
        store["next_values"] = torch.zeros_like(store["values"])

    def play_steps(self) -> dict[str, Any]:
        """`horizon` steps of every environment, environment-major: (N * T, ...) tensors."""
        buffer = self.experience_buffer
        for step in range(self.horizon_length):
            with self._networks("policy"):
                result = self._act(self.current_obs)
                buffer.update_data("obses", step, self.current_obs)
                for name in self.update_list:
                    buffer.update_data(name, step, result[name])
            with self.timer("env"):
                actions = result["actions"].clamp(-1.0, 1.0)
                self.current_obs, rewards, dones, info = self.stepper.step(actions)
            with self._networks("policy"):
                rewards, info = self._shaped(step, rewards, info)
                buffer.update_data("rewards", step, rewards.unsqueeze(1))
                buffer.update_data("dones", step, dones)
                buffer.update_data("next_values", step, self._values_at_time_out(info))
                self.recorder.add(rewards, info["terminated"], info["truncated"], info)
        with self._networks("policy"):
            returns = self._returns()
        batch = buffer.get_transformed_list(swap_and_flatten01, self.tensor_list)
        return {**batch, "returns": swap_and_flatten01(returns), "dones": None, "sigmas": None}

    def _shaped(self, step: int, rewards: Tensor, info: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """What the agent makes of the rewards (N,) and info of a step of the rollout; here nothing."""
        return rewards, info

    def _act(self, obs: Tensor) -> dict[str, Tensor]:
        """As rl-games' model, whose torch.normal asks the device whether every sigma is positive."""
        with self._autocast():
            mean, log_sigma, value, _ = self.policy({"obs": self.model.norm_obs(obs)})
        sigma = log_sigma.exp()
        actions = mean + sigma * torch.randn_like(mean)
        return {
            "actions": actions,
            "neglogpacs": self._neglogp(actions, mean),
            "values": self.model.denorm_value(value),
            "mus": mean,
        }

    def _value(self, obs: Tensor) -> Tensor:
        with self._autocast():
            return self.model.denorm_value(self.policy.value(self.model.norm_obs(obs)))

    def _values_at_time_out(self, info: dict[str, Any]) -> Tensor:
        """(N, 1) value of the final observation where the episode timed out, else zero."""
        bootstrapped = info["truncated"] & ~info["terminated"]
        if "diverged" in info:
            bootstrapped = bootstrapped & ~info["diverged"]
        final_obs: Tensor = info["final_obs"]
        values = torch.zeros(len(final_obs), 1, device=final_obs.device)
        if self.never_wait:
            return torch.where(bootstrapped.unsqueeze(1), self._value(final_obs), values)
        if bootstrapped.any():
            values[bootstrapped] = self._value(final_obs[bootstrapped])
        return values

    def _returns(self) -> Tensor:
        """(T, N, 1) returns: values plus advantages."""
        store = self.experience_buffer.tensor_dict
        values, dones = store["values"].squeeze(2), store["dones"]
        following = torch.cat([values[1:], self._value(self.current_obs).T])
        next_values = torch.where(dones, store["next_values"].squeeze(2), following)
        advantages = estimate_advantages(
            store["rewards"].squeeze(2), values, next_values, dones, gamma=self.gamma, lam=self.tau
        )
        return (advantages + values).unsqueeze(2)

    # --- update ----------------------------------------------------------------------------------

    def prepare_dataset(self, batch_dict: dict[str, Any]) -> None:
        if self.ranks.count == 1:
            return super().prepare_dataset(batch_dict)
        moments = self.value_mean_std
        before = {name: value.clone() for name, value in moments.state_dict().items()}
        super().prepare_dataset(batch_dict)
        # rl-games has learned from this process's values alone: learn again, from those of all.
        moments.load_state_dict(before)
        for name in ("values", "returns"):
            learn_moments(moments, batch_dict[name], self.ranks)
        normalised = {"old_values": moments(batch_dict["values"]), "returns": moments(batch_dict["returns"])}
        self.dataset.values_dict.update(normalised)

    def _update(self) -> UpdateStats:
        critic_losses: list[Tensor] = []
        actor_losses: list[Tensor] = [torch.zeros(4, device=self.obs_device)] if self.warming_up else []
        kl = 0.0
        self.actor_rests = self.warming_up
        for _ in range(self.mini_epochs_num):
            first = len(actor_losses)
            for index in range(len(self.dataset)):
                self.calc_gradients(cast(dict[str, Tensor], self.dataset[index]))
                critic_loss, *actor_loss = self.train_result
                critic_losses.append(critic_loss)
                actor_losses += actor_loss
            if self.adaptive and not self.actor_rests:
                kl = float(self.ranks.mean(torch.stack(actor_losses[first:])[:, 2].mean()))
                self.actor_rests = moved_too_far(kl, self.wanted_kl)
        if self.adaptive and not self.warming_up:
            self._adapt_learning_rate(kl)
        last_pass = torch.stack(actor_losses[-len(self.dataset) :])[:, 2].mean()
        extra = torch.stack([last_pass, torch.stack(critic_losses).mean()])
        means = self.ranks.mean(torch.cat([torch.stack(actor_losses).mean(0), extra]))
        actor, bounds, _, clipped, last_kl, critic = means.tolist()
        return UpdateStats(actor_loss=actor, critic_loss=critic, bounds_loss=bounds, kl=last_kl, clip_fraction=clipped)

    def _make_optimizer(self) -> torch.optim.Adam:
        """Adam with a step size each for actor and critic."""
        rate, of_critic = self.settings.learning_rate, self.settings.critic_learning_rate
        rates = {self.policy.actor: rate, self.policy.critic: of_critic or rate}
        groups = [{"params": list(network.parameters()), "lr": rate} for network, rate in rates.items()]
        return torch.optim.Adam(groups, eps=1e-8, fused=True)

    def calc_gradients(self, input_dict: dict[str, Tensor]) -> None:
        """One gradient step; `train_result` holds the critic's loss and, unless it rests, the actor's."""
        with self._autocast():
            values = self.policy.value(input_dict["obs"])
        critic_loss = (values - input_dict["returns"]).square().mean()
        loss = self.critic_coef * critic_loss
        self.train_result = [critic_loss.detach()]
        if not self.actor_rests:
            actor = self._actor_losses(input_dict)
            loss = loss + actor.surrogate + self.bounds_loss_coef * actor.bounds
            self.train_result.append(torch.stack(actor).detach())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.trancate_gradients_and_step()

    def _actor_losses(self, batch: dict[str, Tensor]) -> ActorLosses:
        with self._autocast():
            mean = self.policy.mean_action(batch["obs"])
        sigma = self._moved(self.policy.log_sigma.exp())
        neglogp = self._neglogp(batch["actions"], mean)
        acted = {**batch, "mu": self._moved(batch["mu"])}
        return actor_losses(self._moved(mean), sigma, neglogp, acted, self.e_clip)

    def _neglogp(self, actions: Tensor, mean: Tensor) -> Tensor:
        """Negative logarithms (N,) of the probability of actions (N, A) around mean (N, A)."""
        log_sigma = self._moved(self.policy.log_sigma)
        return self.model.neglogp(self._moved(actions), self._moved(mean), log_sigma.exp(), log_sigma)

    def _moved(self, values: Tensor) -> Tensor:
        """The columns of values (..., A) whose actions move something."""
        return values if self.moving is None else values.index_select(-1, self.moving)

    @property
    def adaptive(self) -> bool:
        return self.settings.schedule == "adaptive"

    @property
    def wanted_kl(self) -> float:
        """KL divergence one epoch should bring; it grows with the action, as its noise does."""
        return self.settings.kl_per_action * (self.actions_num if self.moving is None else len(self.moving))

    def _adapt_learning_rate(self, kl: float) -> None:
        lowest, highest = self.settings.learning_rate_min, self.settings.learning_rate_max
        self.set_learning_rate(adapted_learning_rate(self.last_lr, kl, self.wanted_kl, lowest=lowest, highest=highest))

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this step size for the actor from the next gradient step on."""
        self.last_lr = learning_rate
        self.optimizer.param_groups[0]["lr"] = learning_rate

    def _learn_normaliser(self, obs: Tensor) -> None:
        """Move the input statistics; a frozen actor keeps those it was given, else it would not be frozen."""
        moments = self.model.running_mean_std
        if not self.warming_up or float(moments.count) <= 1.0:
            learn_moments(moments, obs, self.ranks)

    @contextmanager
    def _networks(self, section: str) -> Iterator[None]:
        """A section of the time in which networks run, in their precision; the environment keeps its own."""
        with self.timer(section), matrix_products(self.settings.precision):
            yield

    def _autocast(self) -> torch.autocast:
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.obs_device.type, torch.bfloat16, enabled=enabled)
