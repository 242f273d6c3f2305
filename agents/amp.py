"""The AMP agent: PPO whose reward is how well a discriminator is taken in by the motion."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from agents.amp_replay import ReplayRing
from agents.config import AgentConfig
from agents.discriminator import Discriminator, DiscriminatorLoss, discriminator_loss, imitation_reward
from agents.normaliser import learn_moments
from agents.ppo import PPOAgent
from agents.ranks import Ranks
from agents.stats import UpdateStats
from agents.vec_env import TrainingEnv
from motions.checkpoint import CheckpointError
from motions.errors import UserError


class RecordedMotion(Protocol):
    """Windows of recorded motion, W numbers each."""

    @property
    def width(self) -> int: ...

    def demonstrate(self, count: int) -> Tensor:
        """Random windows (count, W), drawn by torch's own generator."""
        ...


@dataclass(frozen=True, kw_only=True)
class AMPUpdateStats(UpdateStats):
    """Means over one epoch's gradient steps of the discriminator too; see `DiscriminatorLoss`."""

    disc_entropy: float
    disc_grad_penalty: float
    disc_accuracy: float
    disc_agent_logit: float
    disc_recorded_logit: float

    def curves(self) -> dict[str, float]:
        return super().curves() | {
            "discriminator/entropy": self.disc_entropy,
            "discriminator/grad_penalty": self.disc_grad_penalty,
            "discriminator/accuracy": self.disc_accuracy,
            "discriminator/agent_logit": self.disc_agent_logit,
            "discriminator/recorded_logit": self.disc_recorded_logit,
        }


class AMPAgent(PPOAgent):
    """PPO with an adversarial motion prior (AMP, Peng et al. 2021, arXiv 2104.02180).

    The environment shows windows of its last states; a discriminator learns to tell them from windows of the clips,
    and the policy is rewarded for what it cannot tell. The environment's own reward may be mixed in. The
    discriminator learns after the policy, for as many gradient steps, from windows of this rollout, of earlier ones
    and of the clips.

    Raises UserError for an environment that shows no windows.
    """

    def __init__(self, env: TrainingEnv, config: AgentConfig) -> None:
        watch = getattr(env, "watch_motion", None)
        if watch is None:
            raise UserError("agent.kind amp needs an environment that shows its motion (watch_motion)")
        self.recorded: RecordedMotion = watch(config.amp.window)
        super().__init__(env, config)
        self.amp = config.amp
        width = self.recorded.width
        self.discriminator = Discriminator(width, self.amp.hidden_sizes).to(self.obs_device)
        parameters = list(self.discriminator.parameters())
        self.disc_optimizer = torch.optim.Adam(parameters, self.amp.learning_rate, fused=True)
        self.replay = ReplayRing(self.amp.replay_size, width, self.obs_device)
        self._seen = torch.zeros(self.horizon_length, env.num_envs, width, device=self.obs_device)

    def join(self, ranks: Ranks) -> None:
        super().join(ranks)
        ranks.share(self.discriminator)

    def extra_state(self) -> dict[str, Tensor]:
        state = {f"discriminator.{name}": value for name, value in self.discriminator.state_dict().items()}
        state |= {f"replay.{name}": value for name, value in self.replay.state_dict().items()}
        for index, moments in self.disc_optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        return state

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        def part(name: str) -> dict[str, Tensor]:
            start = f"{name}."
            return {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}

        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in part("optimizer").items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
        try:
            self.discriminator.load_state_dict(part("discriminator"))
            self.replay.load_state_dict(part("replay"))
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError("the checkpoint's discriminator is not one of this run's size") from error
        groups = self.disc_optimizer.state_dict()["param_groups"]
        self.disc_optimizer.load_state_dict({"state": moments, "param_groups": groups})

    def _shaped(self, step: int, rewards: Tensor, info: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        windows: Tensor = info["motion"]
        self._seen[step] = windows
        style = self._style(windows)
        if "diverged" in info:
            style = style.masked_fill(info["diverged"], 0.0)
        terms = {**info.get("reward_terms", {}), "r_task": rewards, "r_disc": style}
        mixed = self.amp.task_weight * rewards + self.amp.reward_weight * style
        return mixed, {**info, "reward_terms": terms}

    def _style(self, windows: Tensor) -> Tensor:
        """The discriminator's reward (N,) for windows (N, W)."""
        logit = self.discriminator(self.discriminator.normalised(windows))
        return imitation_reward(logit, self.amp.reward_scale)

    def _update(self) -> UpdateStats:
        update = super()._update()
        steps = self.mini_epochs_num * len(self.dataset)
        loss = self._train_discriminator(self._seen.flatten(0, 1), steps)
        return AMPUpdateStats(
            **asdict(update),
            disc_entropy=loss["entropy"],
            disc_grad_penalty=loss["grad_penalty"],
            disc_accuracy=loss["accuracy"],
            disc_agent_logit=loss["agent_logit"],
            disc_recorded_logit=loss["recorded_logit"],
        )

    def _train_discriminator(self, seen: Tensor, steps: int) -> dict[str, float]:
        """Gradient steps on windows (S, W) of this rollout; means of the loss's terms by name."""
        count, normalised = self.amp.batch_size, self.discriminator.normalised
        first = torch.cat((_draw(seen, count), self.recorded.demonstrate(count)))
        learn_moments(self.discriminator, first, self.ranks)
        losses = []
        for _ in range(steps):
            earlier = self.replay.sample(count) if self.replay.stored else _draw(seen, count)
            agent = torch.cat((_draw(seen, count), earlier))
            terms = discriminator_loss(
                self.discriminator, normalised(agent), normalised(self.recorded.demonstrate(count))
            )
            loss = (
                terms.entropy
                + self.amp.grad_penalty * terms.grad_penalty
                + self.amp.logit_decay * terms.logit_decay
                + self.amp.weight_decay * terms.weight_decay
            )
            self.disc_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for parameter in self.discriminator.parameters():
                assert parameter.grad is not None
                parameter.grad = self.ranks.mean(parameter.grad)
            self.disc_optimizer.step()
            losses.append(torch.stack(terms).detach())
        self.replay.store(seen, self.amp.replay_keep)
        means = self.ranks.mean(torch.stack(losses).mean(0)).tolist()
        return dict(zip(DiscriminatorLoss._fields, means, strict=True))


def _draw(windows: Tensor, count: int) -> Tensor:
    """Random windows (count, W) of windows (S, W)."""
    return windows[torch.randint(len(windows), (count,), device=windows.device)]
