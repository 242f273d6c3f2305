"""Settings of one training run of the PPO agent."""

from dataclasses import dataclass, field
from typing import Literal

from hoigym.core.device import Precision
from hoigym.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class AMPConfig:
    """The discriminator of an agent of kind "amp" (AMP, arXiv 2104.02180, with the constants of SkillMimic-V2).

    Attributes:
        window: Consecutive states that the discriminator sees at a time.
        hidden_sizes: Widths of its hidden layers.
        learning_rate: Step size of its own Adam.
        batch_size: Windows of each kind in a gradient step: of this rollout, of earlier ones, of the clips.
        grad_penalty: Weight of the squared gradient of the logit at recorded windows.
        logit_decay: Weight of the squared weights of the last layer.
        weight_decay: Weight of the squared weights of all layers.
        replay_size: Windows of earlier rollouts that are kept.
        replay_keep: Once those are full, share of a rollout's windows that replace older ones.
        task_weight: Of the environment's own reward.
        reward_weight: Of the discriminator's reward.
        reward_scale: The discriminator's reward is this times -log(1 - probability that the window is recorded).
    """

    window: int = 10
    hidden_sizes: tuple[int, ...] = (1024, 512)
    learning_rate: float = 2e-5
    batch_size: int = 512
    grad_penalty: float = 5.0
    logit_decay: float = 0.01
    weight_decay: float = 1e-4
    replay_size: int = 20_000
    replay_keep: float = 0.01
    task_weight: float = 0.0
    reward_weight: float = 1.0
    reward_scale: float = 2.0

    def __post_init__(self) -> None:
        """Raises UserError where a value cannot work."""
        for name in ("window", "batch_size", "replay_size"):
            if getattr(self, name) < 1:
                raise UserError(f"agent.amp.{name} must be at least 1, not {getattr(self, name)}")
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise UserError(f"agent.amp.hidden_sizes must be widths of 1 or more, not {self.hidden_sizes}")
        if not self.learning_rate > 0:
            raise UserError(f"agent.amp.learning_rate must be above 0, not {self.learning_rate}")
        if not 0.0 <= self.replay_keep <= 1.0:
            raise UserError(f"agent.amp.replay_keep must lie in 0..1, not {self.replay_keep}")
        not_negative = (
            *("grad_penalty", "logit_decay", "weight_decay"),
            *("task_weight", "reward_weight", "reward_scale"),
        )
        for name in not_negative:
            if not getattr(self, name) >= 0:
                raise UserError(f"agent.amp.{name} must not be negative, not {getattr(self, name)}")


# --- Settings of one training run of the PPO agent ------------------------------------------------------------------


LARGEST_SEED = 2**31
"""Room is left for the seeds of further processes: numpy takes 32 bits."""


class AgentConfigError(UserError):
    """A training setting has an impossible value."""


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """How the policy is built and trained.

    The defaults are the published training constants (SkillMimic-V2, BallPlay and ParaHome recipes).

    Attributes:
        kind: "ppo", or "amp": rewarded by a discriminator that tells its motion from the clips.
        amp: Settings of that discriminator.
        hidden_sizes: Widths of the hidden layers, the same for actor and critic, which share nothing.
        log_sigma: Logarithm of the standard deviation of the action noise; fixed, never learned.
        gamma: Discount per control step.
        lam: Decay of generalised advantage estimation.
        learning_rate: Step size of Adam; the actor's first one where the schedule is adaptive.
        critic_learning_rate: Step size of the critic, always constant; 0 is that of `learning_rate`.
        schedule: "constant", or "adaptive": the actor's step size follows the policy change (KL divergence).
        kl_per_action: Adaptive schedule: wanted KL divergence of one epoch, per action that moves something.
        learning_rate_min: Adaptive schedule: lower limit.
        learning_rate_max: Adaptive schedule: upper limit.
        clip: PPO clipping range of the probability ratio.
        critic_coef: Weight of the critic's squared error in the loss.
        bounds_coef: Weight of the penalty on mean actions outside -1..1.
        max_grad_norm: Gradients are scaled down to this norm; 0 switches that off.
        horizon: Control steps per environment and epoch.
        minibatch_size: Samples per gradient step; 0 chooses it (see `resolve_minibatch_size`).
        mini_epochs: Passes over the samples of an epoch.
        max_epochs: The run ends after this many epochs, counted over all its sessions.
        max_samples: The run ends once it has seen this many samples; 0 is no limit.
        max_minutes: This session ends, with a checkpoint, after this many minutes; 0 is no limit.
        save_every: Epochs between two checkpoints.
        keep_checkpoints: Newest checkpoints that stay on disk, the best one beside them.
        critic_warmup_epochs: The actor is frozen for the first epochs while the critic learns.
        threads: CPU threads of torch; 0 leaves torch's own choice.
        precision: Matrix products of the networks, not of the environment: "highest" (float32), "high" (TF32
            where there is one), "medium" (products of float32 numbers in bfloat16 on a CPU, as "high" on a
            GPU), "bfloat16" (hidden layers run in bfloat16), "auto": the quickest of the first, the last and, on a
            GPU, "high", measured when the run starts; `config.yaml` says which.
        seed: Seed of networks, action noise and environment.
        progress_seconds: Least time between two progress lines in the terminal.
    """

    kind: Literal["ppo", "amp"] = "ppo"
    amp: AMPConfig = field(default_factory=AMPConfig)
    hidden_sizes: tuple[int, ...] = (1024, 512, 512)
    log_sigma: float = -2.9
    gamma: float = 0.99
    lam: float = 0.95
    learning_rate: float = 2e-5
    critic_learning_rate: float = 0.0
    schedule: Literal["constant", "adaptive"] = "constant"
    kl_per_action: float = 3e-4
    learning_rate_min: float = 1e-6
    learning_rate_max: float = 1e-3
    clip: float = 0.2
    critic_coef: float = 5.0
    bounds_coef: float = 10.0
    max_grad_norm: float = 0.0
    horizon: int = 32
    minibatch_size: int = 0
    mini_epochs: int = 6
    max_epochs: int = 20_000
    max_samples: int = 0
    max_minutes: float = 0.0
    save_every: int = 50
    keep_checkpoints: int = 3
    critic_warmup_epochs: int = 0
    threads: int = 0
    precision: Precision = "highest"
    seed: int = 0
    progress_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Raises AgentConfigError where a value cannot work."""
        at_least_one = ("horizon", "mini_epochs", "max_epochs", "save_every", "keep_checkpoints")
        for name in at_least_one:
            if getattr(self, name) < 1:
                raise AgentConfigError(f"agent.{name} must be at least 1, not {getattr(self, name)}")
        positive = ("learning_rate", "kl_per_action", "learning_rate_min", "learning_rate_max", "clip")
        for name in positive:
            if not getattr(self, name) > 0:
                raise AgentConfigError(f"agent.{name} must be above 0, not {getattr(self, name)}")
        not_negative = (
            *("critic_learning_rate", "critic_coef", "bounds_coef", "max_grad_norm", "minibatch_size"),
            *("max_samples", "max_minutes", "critic_warmup_epochs", "threads", "seed", "progress_seconds"),
        )
        for name in not_negative:
            if not getattr(self, name) >= 0:
                raise AgentConfigError(f"agent.{name} must not be negative, not {getattr(self, name)}")
        if self.seed >= LARGEST_SEED:
            raise AgentConfigError(f"agent.seed must be below {LARGEST_SEED}, not {self.seed}")
        for name in ("gamma", "lam"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise AgentConfigError(f"agent.{name} must lie in 0..1, not {getattr(self, name)}")
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise AgentConfigError(f"agent.hidden_sizes must be widths of 1 or more, not {self.hidden_sizes}")
        if self.learning_rate_min > self.learning_rate_max:
            raise AgentConfigError("agent.learning_rate_min is above agent.learning_rate_max")


LARGEST_MINIBATCH = 16_384
MINIBATCHES_PER_EPOCH = 4


def resolve_minibatch_size(config: AgentConfig, num_envs: int) -> int:
    """Samples per gradient step for `num_envs` environments.

    The automatic choice is the largest divisor of the epoch's samples that leaves at least four
    minibatches and is not above 16,384: the published 16,384 for 2,048 environments and horizon 32.

    Raises AgentConfigError where a size is given that does not divide the epoch's samples.
    """
    samples = num_envs * config.horizon
    if config.minibatch_size:
        if samples % config.minibatch_size:
            usable = _largest_divisor(samples, min(config.minibatch_size, samples))
            raise AgentConfigError(
                f"agent.minibatch_size {config.minibatch_size} does not divide the {samples} samples of an "
                f"epoch ({num_envs} environments x horizon {config.horizon}); {usable} does, 0 chooses one"
            )
        return config.minibatch_size
    return _largest_divisor(samples, max(1, min(LARGEST_MINIBATCH, samples // MINIBATCHES_PER_EPOCH)))


def _largest_divisor(number: int, limit: int) -> int:
    return next(size for size in range(limit, 0, -1) if number % size == 0)
