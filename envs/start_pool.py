"""Starts drawn ahead of need, for devices where a small batch costs as much as a large one."""

import torch
from torch import Tensor

from envs.sim.captured import Captured, Recorder
from envs.start import EpisodeStart, EpisodeStarts

_EVERY = 16
"""Steps between two draws; adaptive sampling is late by as many."""


class StartPool:
    """As many starts as there are rows, drawn anew every 16 steps; rows that restart in between take the next ones.

    Nothing waits for the device. Should more rows restart than there are starts left, they share some.

    Args:
        starts: what draws.
        rows: N.
        device: of the rows.
        recorder: of the drawing, as `Captured` takes it.
    """

    def __init__(
        self, starts: EpisodeStarts, rows: int, device: torch.device, recorder: Recorder | None = None
    ) -> None:
        self._starts, self._rows = starts, rows
        self._taken = torch.zeros((), dtype=torch.long, device=device)
        self._pool: EpisodeStart | None = None
        self._fill = Captured(self._draw, recorder)
        self.empty()

    def empty(self) -> None:
        """Forgets what was drawn, as when the random generator begins anew."""
        self._age = _EVERY

    def renew(self) -> None:
        """A step begins: draws where it is time to."""
        if self._age == _EVERY:
            self._fill()
            self._age = 0
        self._age += 1

    def take(self, selected: Tensor) -> EpisodeStart:
        """N starts; they count in the rows selected (N,) bool only."""
        assert self._pool is not None
        order = selected.cumsum(0)
        place = (self._taken + order - 1) % self._rows
        self._taken += order[-1]
        return self._pool[place]

    def _draw(self) -> None:
        drawn = self._starts.draw(self._rows)
        self._taken.zero_()
        if self._pool is None:
            self._pool = drawn
            return
        # Where the first ones lie: a recorded step goes on reading there.
        for place, values in zip(self._pool.tensors(), drawn.tensors(), strict=True):
            place.copy_(values)
