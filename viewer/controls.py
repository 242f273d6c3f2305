"""Controls: what the audience asks for by keys and buttons, and the pace of the loop that does it."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Deed = Callable[[], None]


@dataclass(frozen=True)
class Action:
    """One thing that can be asked for: a button in a browser, a key in any window.

    key: "w", "0", "space" or "arrowleft" ...; None has a button only. enabled: whether it can be done here.
    skill: the skill id that it asks for, where it does. held: whether it is done again and again while its key is down.
    """

    label: str
    do: Deed
    key: str | None = None
    enabled: bool = True
    skill: int | None = None
    held: bool = False


class Controls:
    """A queue of deeds: asked for from any thread, done by the one that owns what they change."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Deed] = queue.SimpleQueue()
        self._something = threading.Event()

    def ask(self, deed: Deed) -> None:
        """Wants deed done soon; returns at once."""
        self._asked.put(deed)
        self._something.set()

    def carry_out(self, wait: float = 0.0) -> bool:
        """Does all that has been asked for by now; where there is nothing, waits up to `wait` [s] for something.

        Returns whether anything was done.
        """
        if wait:
            self._something.wait(wait)
        self._something.clear()
        asked = self._asked.qsize()
        for _ in range(asked):
            self._asked.get()()
        return asked > 0


# --- Which key asks for which skill ---------------------------------------------------------------------------------


_ARROWS = {"arrowleft": "\u2190", "arrowup": "\u2191", "arrowright": "\u2192", "arrowdown": "\u2193"}


def key_label(key: str) -> str:
    """How a key is written on a button."""
    return _ARROWS.get(key, key if len(key) > 1 else key.upper())


# --- Keeps time with the clock on the wall --------------------------------------------------------------------------


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
