"""Settings of the adversarial motion prior."""

from dataclasses import dataclass

from motions.errors import UserError


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
