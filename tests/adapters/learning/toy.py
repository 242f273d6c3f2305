"""A small model to train: y = dropout(linear(x)) with noise in the loss."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hoigym.adapters.learning.learner import Batch


class ToyData:
    """Samples drawn anew each time: x of the index, y = 2x + noise of the seed."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> Batch:
        return self.draw(index, 0)

    def draw(self, index: int, seed: int) -> Batch:
        noise = torch.randn(2, generator=torch.Generator().manual_seed(seed))
        x = torch.tensor([float(index), 1.0])
        return {"x": x, "y": 2 * x + 0.01 * noise}


class ToyLearner:
    def __init__(self, rate: float = 0.05, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.module = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, 2))
        self.rate = rate
        self.validated_with: list[Tensor] = []

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        noise = torch.randn(batch["x"].shape, generator=generator, device=batch["x"].device)
        error = functional.mse_loss(self.module(batch["x"] + 0.01 * noise), batch["y"])
        return error, {"root": error.sqrt()}

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.module.parameters(), lr=self.rate)

    def schedule(self, step: int) -> float:
        return min(1.0, (step + 1) / 5)

    def validate(self, step: int) -> Mapping[str, float | np.ndarray]:
        assert not self.module.training
        weight = self.module.get_parameter("0.weight")
        self.validated_with.append(weight.detach().clone())
        return {"weight": float(weight.mean()), "picture": np.full((4, 6, 3), step, np.uint8)}
