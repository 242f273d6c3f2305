"""Which samples a step sees: a function of seed and step alone, so that resuming needs no state."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Dataset, Sampler

from conditioners.learning.learner import Batch, RandomSamples, Samples

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
