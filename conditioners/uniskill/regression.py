"""The small forward model: one pass of a convolutional network gives the change of the picture."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from conditioners.uniskill.forward import ForwardDynamics, mean_squared_change

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
