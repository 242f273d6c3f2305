"""Settings of UniSkill: its training, its policy and the policy's training."""

from dataclasses import dataclass, field
from typing import Literal

from hoigym.adapters.learning.learner import FitConfig
from hoigym.adapters.uniskill.forward import ForwardConfig
from hoigym.adapters.uniskill.isd import IsdConfig
from hoigym.core.errors import UserError

DEPTH_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"
"""The published depth network."""
DataKind = Literal["store", "videos", "bridge", "droid", "libero", "h2o", "sthsthv2", "xskill", "combined"]


def check_learning_rate(learning_rate: float, warm_up: int) -> None:
    """Raises UserError for a rate, or steps in which it rises, below zero."""
    for name, value in (("learning_rate", learning_rate), ("warm_up", warm_up)):
        if value < 0:
            raise UserError(f"{name} must not be negative, not {value:g}")


@dataclass(frozen=True)
class PairConfig:
    """Where the pairs of pictures come from, and how far apart they are."""

    kind: DataKind = "store"
    """A store of `uniskill render`, a folder of videos, or a published data set as it lies on the disk."""
    path: str = ""
    """Its folder; several of one kind are joined by ":"."""
    gap: tuple[float, float] = (1.0, 2.0)
    """Least and largest time between the pictures of a pair [s]; published data sets have theirs in frames."""
    embodiments: tuple[str, ...] = ()
    """Of a store: those to learn from; all where empty."""
    colours: tuple[str, ...] = ()
    """Of a store: kinds of colouring to learn from; all where empty."""
    unseen: Literal["none", "human", "robot"] = "none"
    """Of XSkill: what is kept for validation instead of a tenth of the videos."""

    def __post_init__(self) -> None:
        if not 0 < self.gap[0] <= self.gap[1]:
            raise UserError(f"data.gap must be two times in order, above zero, not {list(self.gap)}")


@dataclass(frozen=True)
class Variation:
    """How training pairs differ from what was filmed, which the published training does not do."""

    crop: float = 1.0
    """Least share of the side that is kept; 1 for the whole picture."""
    mirror: bool = False
    """Whether half of the pairs are mirrored."""
    reverse: bool = False
    """Whether half of the pairs run backwards: then the picture alone does not tell what follows, and z has to."""

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise UserError(f"vary.crop must be above 0 and at most 1, not {self.crop:g}")


@dataclass(frozen=True)
class UniSkillConfig:
    """Train inverse and forward dynamics: recipe file < --config file < command line."""

    recipe: str = "mini"
    """Name of a file in cfg/uniskill."""
    isd: IsdConfig = field(default_factory=IsdConfig)
    forward: ForwardConfig = field(default_factory=ForwardConfig)
    data: PairConfig = field(default_factory=PairConfig)
    vary: Variation = field(default_factory=Variation)
    fit: FitConfig = field(default_factory=FitConfig)
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warm_up: int = 0
    """Steps in which the learning rate rises."""
    decay: bool = False
    """Whether the learning rate falls to zero until the last step, as half a cosine."""
    jitter: float = 0.0
    """Strength of the colour changes of the inverse model's pictures, the same for both pictures of a pair."""
    depth_model: str = DEPTH_MODEL
    """Folder or hub id of the network that gives depth where the data has none."""
    trunk_weights: str = ""
    """Image classifier's ResNet-18 weights (safetensors, or a state dict) to start the trunk from."""
    start_from: str = ""
    """Run, or published checkpoint (folder or hub id), whose weights to start from; one that has the forward model's
    network alone, as InstructPix2Pix, starts that."""

    def __post_init__(self) -> None:
        check_learning_rate(self.learning_rate, self.warm_up)
        if self.weight_decay < 0:
            raise UserError(f"weight_decay must not be negative, not {self.weight_decay:g}")
        if not 0 <= self.jitter <= 1:
            raise UserError(f"jitter must be 0 to 1, not {self.jitter:g}")
        if self.isd.context_norm == "batch" and self.fit.batch_size < 2:
            raise UserError("isd.context_norm batch needs a fit.batch_size of at least 2")


# --- Sizes and training of the skill-conditioned policy -------------------------------------------------------------


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
