"""What a UVA training is asked to do."""

from dataclasses import dataclass, field, replace
from typing import Literal

from conditioners.learning.learner import FitConfig
from conditioners.uva.config import MODE_NAMES, Mode, UVAConfig
from conditioners.uva.error import UVAError


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from."""

    path: str = ""
    """Replay buffer: a zarr folder or zip."""
    held_out: float = 0.02
    """Share of the episodes that validation keeps."""
    pad_before: int = 15
    """Windows may begin so many steps before their episode (published: 1)."""
    pad_after: int = 15
    """Windows may end so many steps after their episode (published: 7)."""
    cache: bool = True
    """Encode every picture once, before training; not possible with augmentation."""
    augment: bool = False
    """Random crop and blur of every clip, as published for PushT."""
    scaled_actions: int = 0
    """How many columns of an action are brought to -1 .. 1, the first ones; 0 for all. Published for actions of
    position, rotation and gripper: 3."""
    sentences: str = ""
    """File of sentences with their vectors (`uva text`), for a model that reads text."""
    sentence: str = ""
    """The instruction of all episodes; where left out, each has the one that the replay buffer names for it."""

    def __post_init__(self) -> None:
        if self.cache and self.augment:
            raise UVAError("data.augment changes pictures at every draw: it needs data.cache false")


@dataclass(frozen=True)
class UVATrainConfig:
    """Train a UVA model: recipe file < --config file < command line."""

    recipe: str = "tiny"
    """Name of a file in cfg/uva."""
    stage: Literal["video", "joint"] = "joint"
    """video: the first stage, which predicts pictures only. joint: pictures and actions."""
    start_from: str = ""
    """Weights to start from: MAR's checkpoint for the first stage, a run of the first stage for the second."""
    autoencoder: str = ""
    """The published autoencoder's file (kl16.ckpt), or a UVA model of this project whose autoencoder is taken."""
    modes: tuple[Mode, ...] = MODE_NAMES
    """Task modes of the joint stage, each as likely; published for UMI: policy_model, full_dynamic_model."""
    model: UVAConfig = field(default_factory=UVAConfig)
    data: DataConfig = field(default_factory=DataConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(ema=True, grad_clip=0.0))
    learning_rate: float = 1e-4
    weight_decay: float = 0.02
    """Of matrices and embeddings; vectors and biases have none."""
    warm_up: int = 1000
    """Steps in which the learning rate rises."""

    def __post_init__(self) -> None:
        if not self.modes:
            raise UVAError("modes must name at least one task mode")

    def for_stage(self) -> "UVATrainConfig":
        """The same with what the stage fixes: the first has no action head and one mode."""
        if self.stage == "joint":
            return self
        inputs = replace(self.model.inputs, predict_action=False, proprioception="none", predict_wrist=False)
        inputs = replace(inputs, predict_proprioception=False)
        return replace(self, modes=("video_model",), model=replace(self.model, inputs=inputs))
