"""The network inside a diffusion head: an MLP that a condition modulates."""

import math

import torch
from torch import Tensor, nn

_FREQUENCIES = 128


class DenoisingMLP(nn.Module):
    """Noise and variance of noisy values, given a step and a condition (Li et al. 2024, arXiv 2406.11838).

    channels: numbers a value has. condition: its width. Names of parameters are those of released files.
    """

    def __init__(self, channels: int, condition: int, width: int, depth: int) -> None:
        super().__init__()
        self.time_embed = _TimeEmbedding(width)
        self.cond_embed = nn.Linear(condition, width)
        self.input_proj = nn.Linear(channels, width)
        self.res_blocks = nn.ModuleList(_ResidualBlock(width) for _ in range(depth))
        self.final_layer = _FinalLayer(width, 2 * channels)
        self._initialise()

    def forward(self, noisy: Tensor, step: Tensor, condition: Tensor) -> Tensor:
        """noisy (N, C), step (N,) of the 1000, condition (N, D) -> (N, 2 C)."""
        x = self.input_proj(noisy)
        y = self.time_embed(step) + self.cond_embed(condition)
        for block in self.res_blocks:
            x = block(x, y)
        return self.final_layer(x, y)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.time_embed.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
        # Every modulation begins as nothing, and so does the output.
        for name, parameter in self.named_parameters():
            if "adaLN_modulation" in name or name.startswith("final_layer.linear"):
                nn.init.zeros_(parameter)


class _TimeEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * _FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, step: Tensor) -> Tensor:
        frequency = torch.exp(torch.arange(_FREQUENCIES, device=step.device) * (-math.log(10000.0) / _FREQUENCIES))
        angle = step[:, None].float() * frequency
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=1))


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_ln = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 3 * width))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        shift, scale, gate = self.adaLN_modulation(y).chunk(3, dim=1)
        return x + gate * self.mlp(self.in_ln(x) * (1 + scale) + shift)


class _FinalLayer(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.linear = nn.Linear(width, outputs)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(y).chunk(2, dim=1)
        return self.linear(self.norm_final(x) * (1 + scale) + shift)
