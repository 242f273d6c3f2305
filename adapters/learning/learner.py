"""Learner: what the training loop asks of a model and of its data, and which samples a step sees."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler

from hoigym.core.errors import UserError

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


# --- Which samples a step sees: a function of seed and step alone, so that resuming needs no state ------------------


Key = tuple[int, int]
"""Index of a sample and the seed of its draw."""


def step_seed(*parts: int) -> int:
    """A well mixed 63-bit seed of some numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


class EndlessBatches(Sampler[list[Key]]):
    """Keys of the batches of one process, from a step on, without end.

    Samples come in a new random order each time all have been seen; a batch may span two orders.

    Args:
        count: samples there are.
        batch_size: samples a step and process.
        seed: of the orders and draws.
        first_step: where to begin.
        rank, processes: this process, and how many there are; each takes its own part of every step.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, first_step: int = 0, rank: int = 0, processes: int = 1
    ) -> None:
        self._count, self._batch_size, self._seed = count, batch_size, seed
        self._step, self._rank, self._processes = first_step, rank, processes
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def __iter__(self) -> Iterator[list[Key]]:
        step = self._step
        while True:
            first = (step * self._processes + self._rank) * self._batch_size
            yield [self._key(position) for position in range(first, first + self._batch_size)]
            step += 1

    def _key(self, position: int) -> Key:
        epoch, place = divmod(position, self._count)
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self._seed, epoch]).permutation(self._count)
        return int(self._order[1][place]), step_seed(self._seed, 1, position)


class Keyed(Dataset[Batch]):
    """Samples by key: random ones are drawn with the key's seed."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, key: Key) -> Batch:
        index, seed = key
        if isinstance(self._samples, RandomSamples):
            return self._samples.draw(index, seed)
        return self._samples[index]
