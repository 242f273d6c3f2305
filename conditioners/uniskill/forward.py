"""Forward skill dynamics: the picture that follows, from the picture now and z."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from motions.errors import UserError


@dataclass(frozen=True)
class DiffusionConfig:
    """Sizes of the diffusion forward model; the defaults are the published ones (InstructPix2Pix)."""

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    heads: int = 8
    norm_groups: int = 32
    attention_levels: int = 3
    """Levels, from the largest on, that attend to the context; the middle always does."""
    autoencoder: str = ""
    """Folder or hub id of the frozen autoencoder, Stable Diffusion 1.x as published; the model works on the pixels
    themselves where empty."""

    def __post_init__(self) -> None:
        if not self.channels or any(
            width < 1 or width % self.norm_groups or width % self.heads for width in self.channels
        ):
            raise UserError(
                "forward.diffusion.channels must be multiples of norm_groups and of heads "
                f"({self.norm_groups}, {self.heads}), not {list(self.channels)}"
            )


@dataclass(frozen=True)
class ForwardConfig:
    """Which forward model teaches z."""

    kind: Literal["regression", "diffusion"] = "diffusion"
    """"regression" predicts the change of the picture with a convolutional network: z is learned in minutes."""
    resolution: int = 256
    """Side of its pictures in pixels."""
    channels: int = 32
    """Width of the regression network."""
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)

    def __post_init__(self) -> None:
        if self.resolution < 8:
            raise UserError(f"forward.resolution must be at least 8, not {self.resolution}")
        if self.channels < 8 or self.channels % 8:
            raise UserError(f"forward.channels must be a multiple of 8, not {self.channels}")


class ForwardDynamics(nn.Module):
    """What the FSDs share."""

    @abstractmethod
    def loss(
        self, now: Tensor, following: Tensor, context: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, a scalar, and scalars for the curves. Pictures (B, 3, S, S) in 0 .. 1; context (B, 1, C)."""

    @abstractmethod
    def predict(self, now: Tensor, context: Tensor, generator: torch.Generator) -> Tensor:
        """Pictures that follow, (B, 3, S, S) in 0 .. 1."""


def mean_squared_change(now: Tensor, following: Tensor) -> Tensor:
    """Error of copying the current picture, per sample (B,)."""
    return (following - now).square().mean((1, 2, 3))


def stage_kwargs(config: DiffusionConfig) -> dict[str, Any]:
    """Block types of the network's way down and up."""
    levels = len(config.channels)
    attends = [level < config.attention_levels for level in range(levels)]
    return {
        "down_block_types": tuple("CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attends),
        "up_block_types": tuple("CrossAttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attends)),
    }
