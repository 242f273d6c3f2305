"""Which time steps of a window a model sees."""

import torch
from torch import Tensor

from conditioners.uva.config import CHUNK, LATENT_FRAMES, UVAConfig
from conditioners.uva.draws import Draws

_EVERY = CHUNK // LATENT_FRAMES
HISTORY = tuple(range(_EVERY - 1, CHUNK, _EVERY))
"""Past observations that are seen, out of 16: 3, 7, 11, 15. The last is now."""
FUTURE = tuple(index + CHUNK for index in HISTORY)
"""Future observations that are predicted, counted from the same start: 19, 23, 27, 31."""


def action_steps(config: UVAConfig) -> range:
    """Steps whose actions are predicted, counted from the first observation seen."""
    start = CHUNK - 1 if config.shift_action else CHUNK
    return range(start, start + CHUNK)


def draw_history(draws: Draws) -> Tensor:
    """Four past observations, not decreasing, the last now: one of 816, each as likely, (4,) long."""
    steps = torch.arange(CHUNK)
    three = torch.combinations(steps, LATENT_FRAMES - 1, with_replacement=True)
    chosen = three[int(draws.integers(len(three), 1))]
    return torch.cat([chosen, steps[-1:]])
