"""Averaged weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

LARGEST_DECAY, POWER = 0.9999, 0.75


def decay(updates: int) -> float:
    """Share of the old average after so many earlier updates: min(0.9999, 1 - (1 + s)^-0.75), s = updates - 1.

    0 for the first two. Source: repository ShuangLI59/unified_video_action (as in diffusion_policy's EMA).
    """
    return min(LARGEST_DECAY, 1.0 - max(updates, 1) ** -POWER)


class AveragedWeights:
    """A running average of a module's trained parameters; the rest of its state (statistics, counters) is copied.

    values: the average by state name.
    """

    def __init__(self, module: nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}
        self._trained = {name for name, value in module.named_parameters() if value.requires_grad}

    @torch.no_grad()
    def update(self, module: nn.Module, updates: int) -> None:
        """Takes in the module's state after a step; updates: steps before it."""
        share = 1.0 - decay(updates)
        for name, value in module.state_dict().items():
            if name in self._trained:
                self.values[name].lerp_(value, share)
            else:
                self.values[name].copy_(value)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Continues from stored values."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def applied_to(self, module: nn.Module) -> Iterator[None]:
        """The module has the averaged weights inside the block, and its own again after it."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.values)
        try:
            yield
        finally:
            module.load_state_dict(own)
