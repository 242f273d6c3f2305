"""Starts drawn ahead of need, for devices where a small batch costs as much as a large one."""

import torch
from torch import Tensor

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
    """

    def __init__(self, starts: EpisodeStarts, rows: int, device: torch.device) -> None:
        self._starts, self._rows = starts, rows
        self._taken = torch.zeros((), dtype=torch.long, device=device)
        self._pool: EpisodeStart | None = None
        self._age = 0

    def empty(self) -> None:
        """Forgets what was drawn, as when the random generator begins anew."""
        self._pool = None

    def take(self, selected: Tensor) -> EpisodeStart:
        """N starts; they count in the rows selected (N,) bool only."""
        if self._pool is None or self._age == _EVERY:
            self._pool, self._age = self._starts.draw(self._rows), 0
            self._taken.zero_()
        self._age += 1
        order = selected.cumsum(0)
        place = (self._taken + order - 1) % self._rows
        self._taken += order[-1]
        return self._pool[place]
