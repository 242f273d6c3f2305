"""What the audience asks for, by keys and buttons of whatever viewer, on its way to the loop that does it."""

import queue
import threading
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
