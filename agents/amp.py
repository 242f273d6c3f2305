"""AMP agent: PPO whose reward is how well a discriminator is taken in by the motion."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hoigym.agents.config import AgentConfig
from hoigym.agents.network import build_mlp, learn_moments, normalise
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.rl_games_adapter import TrainingEnv
from hoigym.agents.stats import UpdateStats
from hoigym.core.checkpoint import CheckpointError
from hoigym.core.errors import UserError
from hoigym.core.processes import Ranks

SMALLEST_DOUBT = 1e-4
"""The probability of being found out is not taken for less, so that the reward stays finite."""


class Discriminator(nn.Module):
    """A multilayer perceptron from windows of motion (N, W) to logits: positive for "recorded".

    Windows are normalised by running moments, which `normaliser.learn_moments` moves.

    Attributes:
        running_mean, running_var: (W,) float64. count: () float64.
    """

    running_mean: Tensor
    running_var: Tensor
    count: Tensor

    def __init__(self, width: int, hidden_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = build_mlp(width, hidden_sizes, 1)
        self.register_buffer("running_mean", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("running_var", torch.ones(width, dtype=torch.float64))
        self.register_buffer("count", torch.ones((), dtype=torch.float64))

    def normalised(self, windows: Tensor) -> Tensor:
        """Windows (N, W) in standard deviations from the mean, held within five of them."""
        return normalise(windows, self.running_mean.float(), self.running_var.float())

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (N,) of normalised windows (N, W)."""
        return self.layers(inputs).squeeze(-1)

    @property
    def weights(self) -> list[Tensor]:
        """The weight matrices, input side first."""
        return [layer.weight for layer in self.layers if isinstance(layer, nn.Linear)]


class DiscriminatorLoss(NamedTuple):
    """Terms of the loss, each (), before their weights, and how well the two kinds are told apart.

    accuracy: share of windows on the right side of 0, mean of the two kinds. agent_logit, recorded_logit: means.
    """

    entropy: Tensor
    grad_penalty: Tensor
    logit_decay: Tensor
    weight_decay: Tensor
    accuracy: Tensor
    agent_logit: Tensor
    recorded_logit: Tensor


def discriminator_loss(discriminator: Discriminator, agent: Tensor, recorded: Tensor) -> DiscriminatorLoss:
    """The loss on normalised windows of the policy (A, W) and of the clips (R, W).

    entropy: mean of the two kinds' binary cross-entropies, each kind counting alike (ASE, arXiv 2205.01906).
    grad_penalty: mean over recorded windows of the squared norm of the logit's gradient (AMP, eq. 7).
    logit_decay, weight_decay: sums of the squared weights of the last layer, and of all layers.
    """
    recorded = recorded.detach().requires_grad_()
    agent_logit, recorded_logit = discriminator(agent), discriminator(recorded)
    entropy = 0.5 * (
        binary_cross_entropy_with_logits(agent_logit, torch.zeros_like(agent_logit))
        + binary_cross_entropy_with_logits(recorded_logit, torch.ones_like(recorded_logit))
    )
    (gradient,) = torch.autograd.grad(recorded_logit.sum(), recorded, create_graph=True)
    squares = torch.stack([weight.square().sum() for weight in discriminator.weights])
    return DiscriminatorLoss(
        entropy=entropy,
        grad_penalty=gradient.square().sum(-1).mean(),
        logit_decay=squares[-1],
        weight_decay=squares.sum(),
        accuracy=0.5 * ((agent_logit < 0).float().mean() + (recorded_logit > 0).float().mean()),
        agent_logit=agent_logit.mean(),
        recorded_logit=recorded_logit.mean(),
    )


def imitation_reward(logit: Tensor, scale: float) -> Tensor:
    """-scale log(1 - sigmoid(logit)), (N,): 0 where a window is seen through (ASE, arXiv 2205.01906)."""
    return -scale * torch.log((1.0 - torch.sigmoid(logit)).clamp_min(SMALLEST_DOUBT))


# --- Motion of earlier rollouts, so that the discriminator does not forget what it has seen through -----------------


class ReplayRing:
    """The last windows that were stored, up to a fixed number; the oldest are written over.

    windows: (S, W), of which the first `stored` hold something. next: the slot that is written next.
    """

    def __init__(self, size: int, width: int, device: torch.device) -> None:
        self.windows = torch.zeros(size, width, device=device)
        self.stored = 0
        self.next = 0

    def store(self, windows: Tensor, keep: float) -> None:
        """Adds windows (n, W): all while there is room for them, then a random share `keep`; never more than fit.

        Which ones is drawn by torch's own generator.
        """
        size = len(self.windows)
        wanted = len(windows) if self.stored < size else round(keep * len(windows))
        wanted = min(wanted, size)
        if wanted < len(windows):
            windows = windows[torch.randperm(len(windows), device=windows.device)[:wanted]]
        slots = (self.next + torch.arange(wanted, device=windows.device)) % size
        self.windows[slots] = windows
        self.next = (self.next + wanted) % size
        self.stored = min(size, self.stored + wanted)

    def sample(self, count: int) -> Tensor:
        """Windows (count, W) of those stored, drawn by torch's own generator. Raises ValueError while empty."""
        if not self.stored:
            raise ValueError("nothing is stored yet")
        return self.windows[torch.randint(self.stored, (count,), device=self.windows.device)]

    def state_dict(self) -> dict[str, Tensor]:
        """What an exact continuation needs."""
        return {"windows": self.windows[: self.stored], "next": torch.tensor(self.next)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues with the windows of a ring of the same size; raises ValueError for another one."""
        kept = state["windows"]
        if len(kept) > len(self.windows) or kept.shape[1] != self.windows.shape[1]:
            raise ValueError(f"{tuple(kept.shape)} windows do not fit into {tuple(self.windows.shape)}")
        self.stored = len(kept)
        self.windows[: self.stored] = kept.to(self.windows.device)
        self.next = int(state["next"])


# --- The AMP agent: PPO whose reward is how well a discriminator is taken in by the motion --------------------------


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
