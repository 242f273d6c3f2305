"""Stopping a long run by a signal."""

import os
import signal
import threading
from types import FrameType
from typing import Any


class Stopped(Exception):
    """A signal ended something before it was done."""


class StopSignal:
    """Notes SIGINT and SIGTERM, so that the epoch or step under way can end; the second one acts as always.

    what: the thing under way, as it is told to the user; it may change.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.received = False
        self._earlier: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier = {}

    def check(self) -> None:
        """Raises Stopped where a signal came."""
        if self.received:
            raise Stopped

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        self.__exit__()
        os.write(2, f"stopping after this {self.what}; a second signal stops at once\n".encode())
