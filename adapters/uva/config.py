"""Settings of UVA: the shape of a model, and what a training is asked to do."""

import typing
from dataclasses import dataclass, field, replace
from typing import Literal

from hoigym.adapters.learning.learner import FitConfig
from hoigym.core.errors import UserError


class UVAError(UserError):
    """A UVA checkpoint, data set or configuration cannot be used."""


# --- The shape of a UVA model ---------------------------------------------------------------------------------------


LATENT_FRAMES = 4
"""Latent frames in the past, and as many in the future; each stands for four time steps."""
CHUNK = 16
"""Actions that are predicted at once, and observations that are looked at."""
STRIDE = 16
"""Pixels of one token's side."""
TEXT_WIDTH = 512
TEXT_TOKENS = 64
POOLED = 4
"""Side of the grid on which an action head sees a frame."""

Mode = Literal["policy_model", "video_model", "dynamic_model", "inverse_model", "full_dynamic_model"]
MODE_NAMES: tuple[Mode, ...] = typing.get_args(Mode)


@dataclass(frozen=True)
class AutoencoderConfig:
    """What turns pictures into latents and back."""

    kind: Literal["kl", "patch"] = "kl"
    """kl: the published convolutional KL autoencoder. patch: a linear one of each 16 x 16 patch, fitted in seconds."""
    width: int = 128
    """Channels of the first level of the KL autoencoder."""
    channels: int = 16
    """Numbers a token."""
    sample: bool = True
    """Whether latents are drawn from the KL autoencoder's distribution, as published, or are its mean."""


@dataclass(frozen=True)
class TrunkConfig:
    """Transformer."""

    width: int = 768
    encoder_depth: int = 12
    encoder_heads: int = 12
    decoder_depth: int = 12
    decoder_heads: int = 12
    dropout: float = 0.1


@dataclass(frozen=True)
class HeadConfig:
    """Diffusion head."""

    width: int = 1024
    depth: int = 6
    steps: int = 100
    """Denoising steps when sampling."""

    def __post_init__(self) -> None:
        if min(self.width, self.steps) < 1 or self.depth < 0:
            raise UVAError("a head's width and steps must be at least 1")


@dataclass(frozen=True)
class InputsConfig:
    """What the model is given beside pictures, and what it predicts beside video."""

    action_dim: int = 2
    predict_action: bool = True
    """False for the first stage of training."""
    history_action: bool = False
    text: bool = False
    proprioception: Literal["none", "agent", "umi", "toolhang"] = "none"
    """agent: agent_pos (2). umi: pose relative to now and to the start, gripper (16). toolhang: end effector (9), and
    the pictures of a second camera."""
    predict_proprioception: bool = False
    predict_wrist: bool = False
    """Whether the second camera's video is predicted."""
    text_drop: float = 0.1
    """How often a text is hidden in training."""
    history_action_keep: float = 0.5
    """How often a past action is shown in training."""

    def __post_init__(self) -> None:
        if self.predict_wrist and self.proprioception != "toolhang":
            raise UVAError("predict_wrist needs proprioception toolhang, which has a second camera")
        if self.predict_proprioception and self.proprioception == "none":
            raise UVAError("predict_proprioception needs proprioception")


@dataclass(frozen=True)
class UVAConfig:
    """A UVA model. The defaults are those published for PushT (Li et al. 2025, arXiv 2503.00200)."""

    image_size: int = 256
    """Pixels to which pictures are resized."""
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    video_head: HeadConfig = field(default_factory=HeadConfig)
    action_head: HeadConfig = field(default_factory=HeadConfig)
    inputs: InputsConfig = field(default_factory=InputsConfig)
    temperature: float = 0.95
    """Factor on the noise of every denoising step."""
    video_limit: float = 0.0
    """Largest size of a guessed latent while a video is sampled; 0 for any, as published. Without a limit the first of
    few denoising steps multiplies the error of a model that is not well trained by thousands."""
    shift_action: bool = True
    """True: the first predicted action belongs to the newest observation. False: to the step after it."""
    random_history: bool = False
    """Whether training draws which past frames are seen, in place of every fourth."""
    execute: int = 8
    """Actions of a chunk that are carried out."""

    def __post_init__(self) -> None:
        if self.image_size % STRIDE or (self.image_size // STRIDE) ** 2 % POOLED:
            raise UVAError(f"image_size must be a multiple of {2 * STRIDE}, not {self.image_size}")
        for part, heads in (("encoder", self.trunk.encoder_heads), ("decoder", self.trunk.decoder_heads)):
            if heads < 1 or self.trunk.width % heads:
                raise UVAError(f"trunk.{part}_heads {heads} must divide trunk.width {self.trunk.width}")
        if not 1 <= self.execute <= CHUNK:
            raise UVAError(f"execute must lie in 1 .. {CHUNK}, not {self.execute}")

    @property
    def grid(self) -> int:
        """Tokens of a frame's side."""
        return self.image_size // STRIDE

    @property
    def window(self) -> int:
        """Time steps of one training sample."""
        return 2 * CHUNK + self.inputs.history_action


# --- What a UVA training is asked to do -----------------------------------------------------------------------------


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
