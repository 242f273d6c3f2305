"""What a UniSkill training is asked to do."""

from dataclasses import dataclass, field
from typing import Literal

from conditioners.learning.learner import FitConfig
from conditioners.uniskill.forward import ForwardConfig
from conditioners.uniskill.isd import IsdConfig
from motions.errors import UserError

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
