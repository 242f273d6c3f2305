"""The diffusion process of the heads: cosine schedule, noise prediction, learned variance."""

import math

import torch
from torch import Tensor, nn

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
