"""A linear autoencoder of patches: small latents without an hour of training."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from conditioners.uva.config import STRIDE
from conditioners.uva.draws import Draws

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
