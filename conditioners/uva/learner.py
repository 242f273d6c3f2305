"""A UVA model under training."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from conditioners.learning.learner import Batch
from conditioners.uva.draws import Draws
from conditioners.uva.inputs import draw_hidden
from conditioners.uva.losses import mode_loss
from conditioners.uva.policy import UVAPolicy
from conditioners.uva.samples import model_input
from conditioners.uva.training_config import UVATrainConfig
from conditioners.uva.validation import validate

_BETAS = (0.9, 0.95)


class UVALearner:
    """Draws a task mode for every batch and minimises its losses; the autoencoder and the normaliser stay.

    examples: a held-out batch for validation.
    """

    def __init__(self, policy: UVAPolicy, config: UVATrainConfig, examples: Batch) -> None:
        self.module = policy
        self._config, self._examples = config, examples
        policy.vae_model.requires_grad_(False)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch in a random mode, and its parts by name."""
        draws = Draws(generator)
        modes = self._config.modes
        mode = modes[int(draws.integers(len(modes), 1))]
        given = model_input(self.module, batch, draws)
        hidden = draw_hidden(self.module.config, len(given.history), draws)
        return mode_loss(self.module.model, given, mode, hidden, draws)

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW; matrices and embeddings decay, vectors and biases do not."""
        trained = [value for value in self.module.model.parameters() if value.requires_grad]
        groups = [
            {"params": [value for value in trained if value.ndim > 1], "weight_decay": self._config.weight_decay},
            {"params": [value for value in trained if value.ndim == 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self._config.learning_rate, betas=_BETAS)

    def schedule(self, step: int) -> float:
        """A rise over the warm-up, then half a cosine to zero at the last step."""
        if step < self._config.warm_up:
            return (step + 1) / self._config.warm_up
        left = max(1, self._config.fit.steps - self._config.warm_up)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - self._config.warm_up) / left)))

    def validate(self, step: int) -> Mapping[str, float | np.ndarray]:
        """Errors of each mode beside those of simple guesses, and a picture of predicted video."""
        device = next(self.module.parameters()).device
        examples = {name: value.to(device) for name, value in self._examples.items()}
        return validate(self.module, examples, self._config.modes)
