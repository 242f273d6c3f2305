"""Inverse and forward dynamics together."""

import torch
from torch import Tensor, nn

from hoigym.adapters.uniskill.forward import ForwardConfig, ForwardDynamics
from hoigym.adapters.uniskill.isd import InverseDynamics, IsdConfig

DEPTH_EPS = 1e-6


class UniSkill(nn.Module):
    """isd: pair of pictures -> z. forward_model: picture and z -> the next picture."""

    def __init__(self, isd: IsdConfig, forward: ForwardConfig) -> None:
        super().__init__()
        self.isd = InverseDynamics(isd)
        self.forward_model = _make_forward(forward, isd.context_dim)

    def skill(self, images: Tensor, depth: Tensor) -> Tensor:
        """z (B, Z) of pairs: images (B, 2, 3, R, R) in 0 .. 1, depth (B, 2, R, R) where larger is nearer."""
        return self.isd.skill(depth, images, DEPTH_EPS)

    def predict(self, now: Tensor, skill: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Pictures (B, 3, S, S) in 0 .. 1 that follow `now` under z (B, Z)."""
        generator = generator or torch.Generator(now.device).manual_seed(0)
        return self.forward_model.predict(now, self.isd.context(skill), generator)


def _make_forward(config: ForwardConfig, context_dim: int) -> ForwardDynamics:
    """The forward model of a configuration, with new weights."""
    if config.kind == "regression":
        from hoigym.adapters.uniskill.forward import RegressionForward

        return RegressionForward(context_dim, config.channels)
    from hoigym.adapters.uniskill.diffusion import DiffusionForward

    return DiffusionForward(config.diffusion, config.resolution, context_dim)
