"""What the training loop asks of a model, of its data and of the user."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from motions.errors import UserError

Batch = dict[str, Tensor]


class Learner(Protocol):
    """A model under training.

    module: everything that is trained and saved; its state_dict is the checkpoint.
    """

    @property
    def module(self) -> nn.Module: ...

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch, a scalar, and scalars for the curves.

        Draws come from the generator, which lives on the batch's device; torch's global one is seeded for the
        step too, for dropout.
        """
        ...

    def optimizer(self) -> torch.optim.Optimizer:
        """A new optimiser of the module's parameters."""
        ...

    def schedule(self, step: int) -> float:
        """Factor of the learning rate at a step, 0 for the first."""
        ...

    def validate(self, step: int) -> Mapping[str, float | np.ndarray]:
        """Curve points, and pictures (H, W, 3) uint8, by name; the module is in evaluation mode, without gradients."""
        ...


class Samples(Protocol):
    """Map-style data: a torch Dataset of dictionaries of tensors, which are stacked to a batch."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Batch: ...


@runtime_checkable
class RandomSamples(Protocol):
    """Samples that differ each time they are drawn; `draw` is a pure function of its arguments, so that a
    resumed run sees the same ones.
    """

    def draw(self, index: int, seed: int) -> Batch: ...


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of the training loop."""

    steps: int = 10_000
    """Optimiser steps of the whole run."""
    batch_size: int = 32
    """Samples a step and process."""
    save_every: int = 1000
    """Steps between checkpoints."""
    keep_checkpoints: int = 2
    """Newest checkpoints that stay."""
    validate_every: int = 500
    """Steps between validations; 0 for none."""
    seed: int = 0
    """Of the order of the data and of every draw."""
    max_minutes: float = 0.0
    """Stop after so long, with a checkpoint; 0 for no limit."""
    grad_clip: float = 1.0
    """Largest global norm of the gradient; 0 for no limit."""
    ema: bool = False
    """Keep averaged weights, and validate them."""
    precision: Literal["no", "fp16", "bf16"] = "no"
    """Mixed precision."""
    device: Literal["auto", "cpu"] = "auto"
    """"auto" takes the GPU that is there."""
    workers: int = 0
    """Processes that load data, for each training process."""
    log_every: int = 10
    """Steps between the points of a curve."""
    progress_seconds: float = 5.0
    """Between lines in the terminal."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "save_every", "keep_checkpoints", "log_every"):
            if getattr(self, name) < 1:
                raise UserError(f"fit.{name} must be at least 1, not {getattr(self, name)}")
        if self.validate_every < 0:
            raise UserError(f"fit.validate_every must be at least 0, not {self.validate_every}")


@dataclass(frozen=True)
class FitResult:
    """How a session of a run ended. step: done by the run. reason: "finished", "time is up" or "stopped by signal"."""

    step: int
    reason: str
