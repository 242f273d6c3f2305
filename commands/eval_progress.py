"""How far an evaluation is, on the terminal."""

import sys
import time
from typing import Self

_EVERY = 0.5  # seconds between two lines that overwrite each other


class EvalProgress:
    """One line on standard error that is written over, if that is a terminal; else a line for each cell."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._name = ""
        self._begin = self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live and self._name:
            sys.stderr.write("\r\x1b[K")

    def show(self, name: str, step: int, steps: int) -> None:
        """Says that step of steps of the trials called name are done."""
        now = time.monotonic()
        if step == 0:
            self._begin = now
            if not self._live and name != self._name:
                print(f"{name} ...", file=sys.stderr, flush=True)
        self._name = name
        if self._live and now - self._last > _EVERY:
            self._last = now
            left = (now - self._begin) / max(step, 1) * (steps - step)
            sys.stderr.write(f"\r\x1b[K{name}: step {step} of {steps}, {left:.0f} s left")
            sys.stderr.flush()
