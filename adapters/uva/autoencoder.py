"""Autoencoders: pictures to latents and back."""

import re
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from hoigym.adapters.uva.config import STRIDE, UVAConfig, UVAError
from hoigym.adapters.uva.draws import Draws


class Autoencoder(Protocol):
    """encode and decode work on pictures (N, 3, H, W) in [0, 1] and latents (N, C, H / 16, W / 16)."""

    def encode(self, pictures: Tensor, draws: Draws | None = None) -> Tensor:
        """Latents; their mean where draws is None."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures in [0, 1]."""
        ...


def make_autoencoder(config: UVAConfig) -> nn.Module:
    """The autoencoder that a configuration names, an `Autoencoder`, untrained."""
    if config.autoencoder.kind == "kl":
        return KLAutoencoder(config.autoencoder.width, config.autoencoder.channels)

    return PatchAutoencoder(config.autoencoder.channels)


# --- A linear autoencoder of patches: small latents without an hour of training -------------------------------------


_VALUES = 3 * STRIDE**2


class PatchAutoencoder(nn.Module):
    """The leading principal components of 16 x 16 patches, each scaled to a deviation of one over all patches.

    Stands in for the KL autoencoder in small models. Untrained it is zero; `fit` gives it its components.
    """

    mean: Tensor
    components: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(_VALUES))
        self.register_buffer("components", torch.zeros(channels, _VALUES))
        self.register_buffer("deviation", torch.ones(channels))

    def fit(self, pictures: Tensor) -> float:
        """Takes the components of pictures (N, 3, H, W) in [0, 1]; the share of variance that they keep."""
        patches = _to_patches(pictures).movedim(1, -1).reshape(-1, _VALUES).double()
        mean = patches.mean(0)
        covariance = (patches - mean).T @ (patches - mean) / len(patches)
        variance, vectors = torch.linalg.eigh(covariance)
        count = len(self.components)
        kept, directions = variance.flip(0)[:count], vectors.flip(1)[:, :count].T
        # The sign of an eigenvector is arbitrary: fix it, so that a fit is reproducible.
        sign = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
        self.mean.copy_(mean)
        self.components.copy_(directions * sign)
        self.deviation.copy_(kept.clamp(min=1e-8).sqrt())
        return float(kept.sum() / variance.sum())

    def encode(self, pictures: Tensor, draws: Draws | None = None) -> Tensor:
        """Latents of pictures (N, 3, H, W) in [0, 1]. Nothing is drawn."""
        patches = _to_patches(pictures) - self.mean[:, None, None]
        return torch.einsum("cv,nvhw->nchw", self.components / self.deviation[:, None], patches)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures in [0, 1] of latents (N, C, h, w)."""
        weights = self.components * self.deviation[:, None]
        patches = torch.einsum("cv,nchw->nvhw", weights, latents) + self.mean[:, None, None]
        return functional.pixel_shuffle(patches, STRIDE).clamp(0.0, 1.0)


def _to_patches(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) as (N, 768, H / 16, W / 16)."""
    return functional.pixel_unshuffle(pictures, STRIDE)


# --- The published KL autoencoder, of diffusers' parts --------------------------------------------------------------


try:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
except ImportError as error:
    raise UVAError(f"UVA's autoencoder needs the package '{error.name}': pip install hoigym[uva]") from None

SCALE = 0.2325
"""Factor that gives latents a deviation of about one."""
_LEVELS = (1, 1, 2, 2, 4)


class KLAutoencoder(nn.Module):
    """f16 KL autoencoder (Rombach et al. 2022, in the variant of Li et al. 2024). width: channels of the first level.

    The weights are those of the published class under other names, see `published_name`.
    """

    def __init__(self, width: int = 128, channels: int = 16) -> None:
        super().__init__()
        shape: dict[str, Any] = {
            "latent_channels": channels,
            "layers_per_block": 2,
            "block_out_channels": [width * level for level in _LEVELS],
            "down_block_types": ["DownEncoderBlock2D"] * 4 + ["AttnDownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D"] * 5,
        }
        self.network: Any = AutoencoderKL(**shape)

    def encode(self, pictures: Tensor, draws: Draws | None = None) -> Tensor:
        """Latents of pictures (N, 3, H, W) in [0, 1], drawn, or their mean where draws is None."""
        posterior = self.network.encode(2.0 * pictures - 1.0, return_dict=False)[0]
        if draws is None:
            return posterior.mean * SCALE
        return (posterior.mean + posterior.std * draws.normal(*posterior.mean.shape)) * SCALE

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures in [0, 1] of latents (N, C, h, w)."""
        decoded = self.network.decode(latents / SCALE, return_dict=False)[0]
        return (decoded.clamp(-1.0, 1.0) + 1.0) / 2.0


_BLOCKS = (
    (r"^encoder\.down\.(\d)\.block\.(\d)\.", r"encoder.down_blocks.\1.resnets.\2."),
    (r"^encoder\.down\.(\d)\.attn\.(\d)\.", r"encoder.down_blocks.\1.attentions.\2."),
    (r"^encoder\.down\.(\d)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.", ".mid_block.attentions.0."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.norm_out\.", ".conv_norm_out."),
)
_ATTENTION = ((".norm.", ".group_norm."), (".q.", ".to_q."), (".k.", ".to_k."), (".v.", ".to_v."))
_UP = re.compile(r"^decoder\.up\.(\d)\.(block\.(\d)|upsample)\.")


def published_name(name: str) -> str:
    """What `KLAutoencoder` calls the weight that published files call `name`."""
    for pattern, replacement in _BLOCKS:
        name = re.sub(pattern, replacement, name)
    name = _UP.sub(_up_block, name)
    if ".attentions." in name:
        for old, new in (*_ATTENTION, (".proj_out.", ".to_out.0.")):
            name = name.replace(old, new)
    return f"network.{name}"


def from_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of `KLAutoencoder` out of published ones; 1 x 1 convolutions of attention become matrices."""
    renamed = {published_name(name): value for name, value in state.items()}
    return {
        name: value.flatten(1) if ".attentions." in name and value.ndim == 4 else value
        for name, value in renamed.items()
    }


def _up_block(match: re.Match[str]) -> str:
    level = len(_LEVELS) - 1 - int(match[1])
    part = "upsamplers.0" if match[3] is None else f"resnets.{match[3]}"
    return f"decoder.up_blocks.{level}.{part}."
