"""The denoising network of the skill-conditioned diffusion policy.

Source: Diffusion Policy (arXiv 2303.04137) as in repository kang-jaehyun/UniSkill-Policy; its weights load key for key.
"""

import math

import torch
from torch import Tensor, nn


class _ConvBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(groups, outputs), nn.Mish()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class _ResidualBlock(nn.Module):
    """Two convolutions over time; the condition scales and shifts what comes between them."""

    def __init__(self, inputs: int, outputs: int, condition: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [_ConvBlock(inputs, outputs, kernel, groups), _ConvBlock(outputs, outputs, kernel, groups)]
        )
        self.cond_encoder = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * outputs))
        self.residual_conv = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.cond_encoder(condition)[..., None].chunk(2, 1)
        return self.blocks[1](scale * self.blocks[0](x) + shift) + self.residual_conv(x)


class _Shrink(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _Grow(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(width, width, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _StepEncoding(nn.Module):
    """Sines, then cosines, of the diffusion step at geometric frequencies from 1 down to 1 / 10000."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._half = width // 2

    def forward(self, step: Tensor) -> Tensor:
        rate = torch.arange(self._half, device=step.device) * (-math.log(10_000) / (self._half - 1))
        angle = step[:, None] * rate.exp()
        return torch.cat([angle.sin(), angle.cos()], -1)


class NoisePredictor(nn.Module):
    """A U-shaped network over time.

    Args:
        actions: numbers an action. condition: numbers of the global condition. step_width: of the encoded diffusion
        step. widths: of the levels; the length of the chunk must be divisible by 2 ** (levels - 1).
    """

    def __init__(
        self,
        actions: int,
        condition: int,
        step_width: int = 256,
        widths: tuple[int, ...] = (256, 512, 1024),
        kernel: int = 5,
        groups: int = 8,
    ) -> None:
        super().__init__()
        whole = step_width + condition

        def block(inputs: int, outputs: int) -> _ResidualBlock:
            return _ResidualBlock(inputs, outputs, whole, kernel, groups)

        self.diffusion_step_encoder = nn.Sequential(
            _StepEncoding(step_width),
            nn.Linear(step_width, 4 * step_width),
            nn.Mish(),
            nn.Linear(4 * step_width, step_width),
        )
        self.mid_modules = nn.ModuleList([block(widths[-1], widths[-1]) for _ in range(2)])
        self.down_modules, self.up_modules = nn.ModuleList(), nn.ModuleList()
        inputs = actions
        for level, width in enumerate(widths):
            last = level == len(widths) - 1
            shrink = nn.Identity() if last else _Shrink(width)
            self.down_modules.append(nn.ModuleList([block(inputs, width), block(width, width), shrink]))
            inputs = width
        for below, width in zip(reversed(widths[:-1]), reversed(widths[1:]), strict=True):
            self.up_modules.append(nn.ModuleList([block(2 * width, below), block(below, below), _Grow(below)]))
        self.final_conv = nn.Sequential(
            _ConvBlock(widths[0], widths[0], kernel, groups), nn.Conv1d(widths[0], actions, 1)
        )

    def forward(self, chunk: Tensor, step: Tensor, condition: Tensor) -> Tensor:
        """Predicted noise (B, T, A) of noisy chunks (B, T, A) at steps (B,) under conditions (B, C)."""
        whole = torch.cat([self.diffusion_step_encoder(step), condition], -1)
        x = chunk.transpose(1, 2)
        passed: list[Tensor] = []
        for first, second, shrink in self.down_modules:  # pyright: ignore[reportGeneralTypeIssues]
            x = second(first(x, whole), whole)
            passed.append(x)
            x = shrink(x)
        for block in self.mid_modules:
            x = block(x, whole)
        for first, second, grow in self.up_modules:  # pyright: ignore[reportGeneralTypeIssues]
            x = grow(second(first(torch.cat([x, passed.pop()], 1), whole), whole))
        return self.final_conv(x).transpose(1, 2)
