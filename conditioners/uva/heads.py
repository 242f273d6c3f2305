"""Diffusion heads: tokens of a video, actions of a chunk."""

from torch import Tensor, nn

from conditioners.uva.config import CHUNK, LATENT_FRAMES, POOLED, HeadConfig
from conditioners.uva.diffusion import STEPS, Diffusion
from conditioners.uva.draws import Draws
from conditioners.uva.head_network import DenoisingMLP


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
