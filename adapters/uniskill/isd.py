"""Inverse skill dynamics: what happens between two pictures, as a vector z.

Source: arXiv 2505.08787 and repository KimHanjung/UniSkill, whose checkpoints load key for key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hoigym.core.errors import UserError

RESNET_CHANNELS = 512
_STAGES = (64, 128, 256, RESNET_CHANNELS)
# Places of the ResNet's parts in a plain sequence: convolution, norm, ReLU, pooling, four stages.
_PLACES = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, the basic block of ResNet-18 (arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = norm(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + shortcut)


def resnet18(norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """ResNet-18 without its pooling and classifier: (N, 3, H, W) to (N, 512, H/32, W/32)."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), norm(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, outputs in enumerate(_STAGES):
        blocks = [ResidualBlock(inputs, outputs, 1 + (stage > 0), norm), ResidualBlock(outputs, outputs, 1, norm)]
        layers.append(nn.Sequential(*blocks))
        inputs = outputs
    return nn.Sequential(*layers)


def small_trunk(channels: int) -> nn.Sequential:
    """Four convolutions with stride 2, for small pictures: (N, 3, H, W) to (N, channels, H/16, W/16)."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in (channels // 4, channels // 2, channels, channels):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers)


def in_sequence(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of an image classifier's ResNet-18 (conv1, bn1, layer1 ...) under the names of `resnet18`."""
    renamed = {}
    for name, value in weights.items():
        part, _, rest = name.partition(".")
        if part in _PLACES:
            renamed[f"{_PLACES[part]}.{rest}"] = value
    return renamed


# --- Inverse skill dynamics: what happens between two pictures, as a vector z ---------------------------------------


FRAMES = 2
_IMAGE_MEAN = (0.485, 0.456, 0.406)
_IMAGE_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class IsdConfig:
    """Sizes of the inverse model; the defaults are the published ones."""

    layers: int = 8
    heads: int = 4
    width: int = 256
    skill_dim: int = 64
    """Numbers of z."""
    context_dim: int = 768
    """Width of the token that the forward model gets."""
    resolution: int = 224
    """Side of the pictures in pixels, a multiple of 32."""
    patch: int = 16
    trunk: Literal["resnet18", "small"] = "resnet18"
    """"small" is four convolutions of `width` channels, for training in minutes."""
    init_std: float = 0.02
    """Standard deviation of the new weights of linear layers; small widths need more to let motion through."""
    position_std: float = 0.0
    """Standard deviation of the new embeddings of places and frames; at zero they all begin alike."""
    context_norm: Literal["layer", "batch"] = "layer"
    """How z is normalised for the forward model. Over a batch, z cannot shrink to the same vector for every pair,
    as it does where the forward model learns to do without it first."""

    def __post_init__(self) -> None:
        for name in ("layers", "skill_dim", "context_dim"):
            if getattr(self, name) < 1:
                raise UserError(f"isd.{name} must be at least 1, not {getattr(self, name)}")
        for name, other in (("resolution", "patch"), ("width", "heads")):
            length, part = getattr(self, name), getattr(self, other)
            if part < 1 or length < part or length % part:
                raise UserError(f"isd.{name} must be a multiple of isd.{other}, not {length} of {part}")


class _Patches(nn.Module):
    """Maps (..., R, R) as patches in raster order, (..., S, P * P)."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self._patch = patch

    def forward(self, maps: Tensor) -> Tensor:
        *lead, rows, columns = maps.shape
        p = self._patch
        grid = maps.reshape(-1, rows // p, p, columns // p, p).transpose(2, 3)
        return grid.reshape(*lead, (rows // p) * (columns // p), p * p)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.multihead_attn(x, x, x, attn_mask=mask, need_weights=False)[0]


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class _SpaceTimeBlock(nn.Module):
    """Attention within a frame, then over the frames at one place (no frame sees later ones), then an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.spatial_attn = _Attention(width, heads)
        self.temporal_attn = _Attention(width, heads)
        self.mlp = _Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, T, S, D)."""
        batch, frames, places, width = x.shape
        x = x + self.spatial_attn(self.norm1(x).flatten(0, 1)).reshape(x.shape)
        later = torch.ones(frames, frames, dtype=torch.bool, device=x.device).triu(1)
        in_time = self.norm2(x).transpose(1, 2).reshape(batch * places, frames, width)
        seen = self.temporal_attn(in_time, later).reshape(batch, places, frames, width).transpose(1, 2)
        x = x + seen
        return x + self.mlp(self.norm3(x))


class _Transformer(nn.Module):
    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_SpaceTimeBlock(width, heads) for _ in range(layers)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class InverseDynamics(nn.Module):
    """The ISD. `skill` is what policies get; `context` is z as the forward model sees it, without its offset
    and scale.
    """

    def __init__(self, config: IsdConfig) -> None:
        super().__init__()
        self.config = config
        width, grid = config.width, config.resolution // config.patch
        self.pos_embed_spatial = nn.Parameter(config.position_std * torch.randn(1, 1, grid * grid, width))
        self.pos_embed_temporal = nn.Parameter(config.position_std * torch.randn(1, FRAMES, 1, width))
        patch_size = config.patch**2
        self.depth_proj = nn.Sequential(
            _Patches(config.patch), nn.LayerNorm(patch_size), nn.Linear(patch_size, width), nn.LayerNorm(width)
        )
        resnet = config.trunk == "resnet18"
        features = RESNET_CHANNELS if resnet else width
        self.modal_proj = nn.Sequential(
            nn.LayerNorm(width + features), nn.Linear(width + features, width), nn.LayerNorm(width)
        )
        self.transformer = _Transformer(config.layers, width, config.heads)
        self.proj = nn.Linear(width, width)
        self.skill_norm, self.skill_proj = nn.LayerNorm(width), nn.Linear(width, config.skill_dim)
        over_batch = config.context_norm == "batch"
        self.latent_norm = (nn.BatchNorm1d if over_batch else nn.LayerNorm)(config.skill_dim)
        self.latent_proj = nn.Linear(config.skill_dim, config.context_dim)
        self.visual_encoder = resnet18() if resnet else small_trunk(width)
        self.register_buffer("_mean", torch.tensor(_IMAGE_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(_IMAGE_STD).view(3, 1, 1), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=config.init_std)
                nn.init.zeros_(module.bias)

    def skill(self, depth: Tensor, images: Tensor, eps: float = 0.0) -> Tensor:
        """z of pairs of frames, (B, Z).

        depth: (B, 2, R, R), larger is nearer (disparity), any scale; each map is brought to 0 .. 1. images:
        (B, 2, 3, R, R) in 0 .. 1. eps: added to the range of a map; the published 0 makes a constant one NaN.
        """
        return self.skill_of_tokens(self.tokens(depth, images, eps))

    def skill_of_tokens(self, tokens: Tensor) -> Tensor:
        """z (B, Z) of the tokens (B, 2, S, D) of pairs; a frame's tokens do not depend on its partner."""
        places = self.pos_embed_spatial + self.pos_embed_temporal
        pooled = self.proj(self.transformer(tokens + places)[:, -1].mean(1))
        return self.skill_proj(self.skill_norm(pooled))

    def context(self, skill: Tensor) -> Tensor:
        """z (B, Z) as the forward model's token (B, 1, C)."""
        return self.latent_proj(self.latent_norm(skill))[:, None]

    def tokens(self, depth: Tensor, images: Tensor, eps: float = 0.0) -> Tensor:
        """Depth and colour of every place in every frame, (B, 2, S, D), before positions are added."""
        low = depth.amin((-2, -1), keepdim=True)
        span = depth.amax((-2, -1), keepdim=True) - low
        in_depth = self.depth_proj((depth - low) / (span + eps))
        return self.modal_proj(torch.cat([in_depth, self.visual_tokens(images)], -1))

    def visual_tokens(self, images: Tensor) -> Tensor:
        """Features of the trunk at every place, (B, 2, S, features)."""
        batch, frames = images.shape[:2]
        normalised = ((images - self._mean) / self._std).flatten(0, 1)  # pyright: ignore[reportOperatorIssue]
        features = self.visual_encoder(normalised)
        grid = self.config.resolution // self.config.patch
        if features.shape[-1] != grid:
            features = functional.interpolate(features, (grid, grid), mode="bilinear", align_corners=False)
        return features.flatten(2).transpose(1, 2).reshape(batch, frames, grid * grid, -1)
