"""Sizes and training of the skill-conditioned policy."""

from dataclasses import dataclass, field

from conditioners.learning.learner import FitConfig
from conditioners.uniskill.config import check_learning_rate
from motions.errors import UserError


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the policy; the defaults but the encoder's are the published ones."""

    observations: int = 2
    """Last observations that it sees."""
    horizon: int = 16
    """Actions that it plans, from the first of these observations on."""
    executed: int = 8
    """Actions of the plan that are carried out, from the last observation on."""
    encoded: int = 64
    """Numbers to which an observation is brought first."""
    widths: tuple[int, ...] = (256, 512, 1024)
    step_width: int = 256
    components: int = 0
    """Principal components that stand for the actions, scaled to -1 .. 1; the actions themselves where 0. The noise of
    many joints does not pass through a narrow network."""
    inference_steps: int = 10
    """Steps in which noise is removed; in training there are 100."""

    def __post_init__(self) -> None:
        halvings = 2 ** (len(self.widths) - 1)
        if not 1 <= self.executed <= self.horizon - (self.observations - 1) or self.observations < 1:
            raise UserError(f"policy.executed must be 1 to horizon - observations + 1, not {self.executed}")
        for name, least in (("encoded", 1), ("components", 0)):
            if getattr(self, name) < least:
                raise UserError(f"policy.{name} must be at least {least}, not {getattr(self, name)}")
        if self.step_width < 4 or self.step_width % 2:
            raise UserError(f"policy.step_width must be an even number from 4 on, not {self.step_width}")
        if self.horizon % halvings:
            raise UserError(f"policy.horizon must be a multiple of {halvings} for this many widths, not {self.horizon}")
        if not self.widths or any(width < 1 or width % 8 for width in self.widths):
            raise UserError(f"policy.widths must be multiples of 8, not {list(self.widths)}")
        if not 1 <= self.inference_steps <= 100:
            raise UserError(f"policy.inference_steps must be 1 to 100, not {self.inference_steps}")


@dataclass(frozen=True)
class PolicyTraining:
    """Train a diffusion policy on recorded rollouts: what to do next, given what is seen and z."""

    rollouts: str = ""
    """File of `uniskill record`."""
    table: str = ""
    """Table of `uniskill extract` for the same clips."""
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(widths=(64, 128), step_width=64, components=24))
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=5000, batch_size=64, validate_every=500, save_every=500, ema=True)
    )
    learning_rate: float = 3e-4
    warm_up: int = 100
    """Steps in which the learning rate rises."""

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate, self.warm_up)
