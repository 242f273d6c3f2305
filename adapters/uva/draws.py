"""Where training and sampling take their random numbers from."""

import torch
from torch import Tensor


class Draws:
    """Random numbers of one generator, which must live on the device of the model."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def integers(self, below: int, *shape: int) -> Tensor:
        """Whole numbers 0 .. below - 1, long."""
        return torch.randint(below, shape, generator=self.generator, device=self.generator.device)
