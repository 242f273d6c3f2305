"""Forward skill dynamics: the picture that follows, from the picture now and z."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hoigym.core.errors import UserError


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


# --- The small forward model: one pass of a convolutional network gives the change of the picture -------------------


_GROUPS = 8
# Below this mean squared change a pair shows nothing; it must not dominate the loss.
_LEAST_CHANGE = 1e-3


class _Block(nn.Module):
    """Convolution, shifted and scaled by the context, with a shortcut where widths agree."""

    def __init__(self, inputs: int, outputs: int, context_dim: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.norm = nn.GroupNorm(_GROUPS, outputs)
        self.film = nn.Linear(context_dim, 2 * outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.film(context)[..., None, None].chunk(2, 1)
        y = functional.silu(self.norm(self.conv(x)) * (1 + scale) + shift)
        return x + y if self.shortcut else y


class RegressionForward(ForwardDynamics):
    """Predicts next minus current; the loss is the error relative to copying the current picture.

    A U-shaped network of three levels in which z shifts and scales every layer, as the single context token of
    the diffusion model does.
    """

    def __init__(self, context_dim: int, channels: int) -> None:
        super().__init__()
        widths = (channels, 2 * channels, 4 * channels)
        self.start = nn.Conv2d(3, channels, 3, 1, 1)
        self.down = nn.ModuleList([_Block(widths[level - 1], widths[level], context_dim, 2) for level in range(1, 3)])
        self.middle = nn.ModuleList([_Block(widths[2], widths[2], context_dim) for _ in range(3)])
        self.up = nn.ModuleList(
            [_Block(widths[level] + widths[level - 1], widths[level - 1], context_dim) for level in (2, 1)]
        )
        self.end = nn.Conv2d(channels, 3, 3, 1, 1)
        nn.init.zeros_(self.end.weight)
        nn.init.zeros_(self.end.bias)  # pyright: ignore[reportArgumentType]

    def change(self, now: Tensor, context: Tensor) -> Tensor:
        """Predicted next minus current, (B, 3, S, S)."""
        token = context[:, 0]
        x = self.start(2 * now - 1)
        passed: list[Tensor] = []
        for block in self.down:
            passed.append(x)
            x = block(x, token)
        for block in self.middle:
            x = block(x, token)
        for block in self.up:
            beside = passed.pop()
            x = functional.interpolate(x, beside.shape[-2:], mode="nearest")
            x = block(torch.cat([x, beside], 1), token)
        return self.end(x)

    def loss(
        self, now: Tensor, following: Tensor, context: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        error = (now + self.change(now, context) - following).square().mean((1, 2, 3))
        copying = mean_squared_change(now, following)
        loss = (error / (copying + _LEAST_CHANGE)).mean()
        return loss, {"relative_error": error.sum() / copying.sum().clamp_min(1e-12)}

    def predict(self, now: Tensor, context: Tensor, generator: torch.Generator) -> Tensor:
        return (now + self.change(now, context)).clamp(0, 1)
