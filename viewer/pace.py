"""Keeps time with the clock on the wall."""

import time
from collections import deque
from collections.abc import Callable

# A delay longer than this is not made up for [s].
_LARGEST_DEBT = 0.1
_WINDOW = 1.0  # over which the rate is measured [s]
_ON_TIME = 0.97


class Pacer:
    """Lets a loop of steps that are dt [s] long run in real time where the machine is quick enough."""

    def __init__(
        self,
        dt: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._dt, self._clock, self._sleep = dt, clock, sleep
        self._ends: deque[float] = deque(maxlen=max(2, round(_WINDOW / dt) + 1))
        self._due: float | None = None

    def wait(self) -> None:
        """Returns when the next step may begin."""
        now = self._clock()
        due = now if self._due is None else self._due + self._dt
        if due < now - _LARGEST_DEBT:
            due = now
        if due > now:
            self._sleep(due - now)
        self._due = due
        self._ends.append(self._clock())

    def rest(self) -> None:
        """Forgets the past: what follows a pause is not late."""
        self._due = None
        self._ends.clear()

    @property
    def rate(self) -> float:
        """Time shown over time passed in the last second; 1 is real time."""
        if len(self._ends) < 2:
            return 1.0
        passed = self._ends[-1] - self._ends[0]
        return (len(self._ends) - 1) * self._dt / passed if passed > 0 else 1.0

    @property
    def late(self) -> bool:
        """Whether the loop falls behind."""
        return self.rate < _ON_TIME

    @property
    def steps_per_second(self) -> float:
        return self.rate / self._dt
