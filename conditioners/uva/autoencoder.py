"""Pictures to latents and back."""

from typing import Protocol

from torch import Tensor, nn

from conditioners.uva.config import UVAConfig
from conditioners.uva.draws import Draws


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
        from conditioners.uva.kl_autoencoder import KLAutoencoder

        return KLAutoencoder(config.autoencoder.width, config.autoencoder.channels)
    from conditioners.uva.patch_autoencoder import PatchAutoencoder

    return PatchAutoencoder(config.autoencoder.channels)
