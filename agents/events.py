"""What an environment counts on its own: full buffers, solver limits."""

import torch

from agents.ranks import ALONE, Ranks
from agents.vec_env import TrainingEnv

_ELSEWHERE = "diverged"


class EventCounter:
    """Reads the running totals of an environment that keeps any (`counters`), once an epoch, over all processes.

    totals: name -> events since this object was made.
    """

    def __init__(self, env: TrainingEnv, ranks: Ranks = ALONE) -> None:
        self._env, self._ranks = env, ranks
        self._before = self._read()
        self.totals = dict.fromkeys(self._before, 0)

    def collect(self) -> dict[str, int]:
        """Events since the last call; waits for the device. Worlds that diverged are counted by the rollout."""
        now = self._read()
        events = {name: now[name] - self._before[name] for name in now}
        self._before = now
        self.totals = {name: self.totals[name] + count for name, count in events.items()}
        return events

    def _read(self) -> dict[str, int]:
        counters = getattr(self._env, "counters", {})
        counters = {name: total for name, total in counters.items() if name != _ELSEWHERE}
        values = self._ranks.sum(torch.stack(list(counters.values()))).tolist() if counters else []
        return dict(zip(counters, values, strict=True))
