"""Diffusion heads: tokens of a video, actions of a chunk."""

import math

import torch
from torch import Tensor, nn

from hoigym.adapters.uva.config import CHUNK, LATENT_FRAMES, POOLED, HeadConfig
from hoigym.adapters.uva.draws import Draws

STEPS = 1000
_BITS = 1.0 / math.log(2.0)


def cosine_betas() -> Tensor:
    """Variances of the noise added at each of 1000 steps, (1000,) float64 (Nichol and Dhariwal 2021, eq. 17)."""
    time = torch.arange(STEPS + 1, dtype=torch.float64) / STEPS
    kept = torch.cos((time + 0.008) / 1.008 * math.pi / 2).square()
    return (1.0 - kept[1:] / kept[:-1]).clamp(max=0.999)


def kept_steps(count: int) -> Tensor:
    """Which of the 1000 steps a shorter chain of `count` visits, evenly from 0 to 999, (count,) long."""
    return torch.tensor([round(i * (STEPS - 1) / max(count - 1, 1)) for i in range(count)])


class Diffusion(nn.Module):
    """A chain of `count` steps over the kept ones of 1000 (all of them by default).

    Steps are counted 0 (nearly clean) .. count - 1 (noise). A network's output is (N, 2 C): the predicted noise,
    and where the log variance lies between its bounds, -1 .. 1.
    """

    original: Tensor
    betas: Tensor
    _table: Tensor

    def __init__(self, count: int = STEPS) -> None:
        super().__init__()
        original = kept_steps(count)
        total = torch.cumprod(1.0 - cosine_betas(), 0)[original]
        before = torch.cat([torch.ones(1, dtype=torch.float64), total[:-1]])
        betas = 1.0 - total / before
        variance = betas * (1.0 - before) / (1.0 - total)
        table = torch.stack(
            [
                total.sqrt(),
                (1.0 - total).sqrt(),
                total.rsqrt(),
                (1.0 / total - 1.0).sqrt(),
                betas * before.sqrt() / (1.0 - total),
                (1.0 - before) * (1.0 - betas).sqrt() / (1.0 - total),
                betas.log(),
                # The last step has no variance: that of the step before stands in.
                torch.cat([variance[1:2], variance[1:]]).log(),
            ],
            dim=1,
        )
        self.register_buffer("original", original, persistent=False)
        self.register_buffer("betas", betas, persistent=False)
        self.register_buffer("_table", table.float(), persistent=False)

    def __len__(self) -> int:
        return len(self.original)

    def _at(self, step: Tensor) -> tuple[Tensor, ...]:
        return self._table[step].split(1, dim=1)

    def add_noise(self, clean: Tensor, step: Tensor, noise: Tensor) -> Tensor:
        """What `clean` (N, C) has become at step (N,)."""
        keep, add, *_ = self._at(step)
        return keep * clean + add * noise

    def reverse(self, output: Tensor, noisy: Tensor, step: Tensor, limit: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log variance of the step before, and the clean values guessed, each (N, C).

        output (N, 2 C), noisy (N, C), step (N,). limit: largest size of a guess; 0 for any.
        """
        _, _, grow, part, toward_clean, toward_noisy, log_beta, log_least = self._at(step)
        noise, fraction = output.chunk(2, dim=1)
        log_variance = torch.lerp(log_least, log_beta, (fraction + 1.0) / 2.0)
        clean = grow * noisy - part * noise
        if limit:
            clean = clean.clamp(-limit, limit)
        return toward_clean * clean + toward_noisy * noisy, log_variance, clean

    def loss(self, output: Tensor, clean: Tensor, noise: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """Squared error of the noise plus the variational bound in bits, which trains the variance only; (N,).

        The bound is not scaled down (Nichol and Dhariwal 2021, section 3.1, with a factor of one).
        """
        *_, toward_clean, toward_noisy, _, log_least = self._at(step)
        guess, fraction = output.chunk(2, dim=1)
        frozen = torch.cat([guess.detach(), fraction], dim=1)
        mean, log_variance, _ = self.reverse(frozen, noisy, step)
        true_mean = toward_clean * clean + toward_noisy * noisy
        divergence = _gaussian_divergence(true_mean, log_least, mean, log_variance)
        bound = torch.where((step == 0)[:, None], _discrete_surprise(clean, mean, log_variance), divergence)
        return (guess - noise).square().mean(1) + bound.mean(1) * _BITS


def _gaussian_divergence(mean_p: Tensor, log_p: Tensor, mean_q: Tensor, log_q: Tensor) -> Tensor:
    """Kullback-Leibler divergence of q from p in nats."""
    return 0.5 * (log_q - log_p + (log_p - log_q).exp() + (mean_p - mean_q).square() * (-log_q).exp() - 1.0)


def _discrete_surprise(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Negative log likelihood in nats of the bin of width 2 / 255 around value, the outermost bins open."""
    scale = (-0.5 * log_variance).exp()
    upper = _normal_cdf(scale * (value - mean + 1.0 / 255.0))
    lower = _normal_cdf(scale * (value - mean - 1.0 / 255.0))
    inside = torch.where(value > 0.999, 1.0 - lower, upper - lower)
    return -torch.where(value < -0.999, upper, inside).clamp(min=1e-12).log()


def _normal_cdf(x: Tensor) -> Tensor:
    """The usual tanh approximation."""
    return 0.5 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


# --- The network inside a diffusion head: an MLP that a condition modulates -----------------------------------------


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


# --- Diffusion heads: tokens of a video, actions of a chunk ---------------------------------------------------------


class DiffusionHead(nn.Module):
    """Values of `channels` numbers, each diffused for itself given a condition of `condition` numbers.

    limit: largest size of a guess while sampling; 0 for any.
    """

    def __init__(self, channels: int, condition: int, config: HeadConfig, limit: float) -> None:
        super().__init__()
        self.net = DenoisingMLP(channels, condition, config.width, config.depth)
        self.channels = channels
        self.limit = limit
        self._training_chain = Diffusion()
        self.chain = Diffusion(config.steps)

    def loss(self, clean: Tensor, condition: Tensor, draws: Draws) -> Tensor:
        """Loss of each value, (N,). clean (N, C), condition (N, D)."""
        step = draws.integers(STEPS, len(clean))
        noise = draws.normal(*clean.shape)
        noisy = self._training_chain.add_noise(clean, step, noise)
        output = self.net(noisy, step, condition)
        return self._training_chain.loss(output.float(), clean, noise, noisy, step)

    def sample(self, condition: Tensor, draws: Draws, temperature: float) -> Tensor:
        """Values (N, C) given condition (N, D), by ancestral sampling.

        temperature: factor on the noise of every step; at 0 only the start is random.
        """
        value = draws.normal(len(condition), self.channels)
        for index in reversed(range(len(self.chain))):
            step = self.chain.original.new_full((len(value),), index)
            output = self.net(value, self.chain.original[step], condition)
            value, log_variance, _ = self.chain.reverse(output, value, step, self.limit)
            if index and temperature:
                value = value + (0.5 * log_variance).exp() * draws.normal(*value.shape) * temperature
        return value


class ChunkHead(DiffusionHead):
    """A chunk of 16 values, such as actions, out of the latents of all frames."""

    def __init__(self, channels: int, condition: int, config: HeadConfig) -> None:
        super().__init__(channels, condition, config, limit=1.0)
        width = condition
        self.conv = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(POOLED))
        self.fc = nn.Sequential(nn.Linear(width * POOLED**2, width), nn.ReLU(), nn.Linear(width, width))
        self.interpolate = nn.Linear(LATENT_FRAMES, CHUNK)
        self.refine = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def condition(self, z: Tensor) -> Tensor:
        """Condition of each value, (B, 16, D), of latents z (B, 4, S, S, D)."""
        frames = z.flatten(0, 1).movedim(-1, 1)
        pooled = self.fc(self.conv(frames).flatten(1)).unflatten(0, (len(z), LATENT_FRAMES))
        return self.refine(self.interpolate(pooled.mT).mT)
