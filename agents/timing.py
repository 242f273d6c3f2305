"""Where the time of an epoch goes, measured without waiting for the device."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class SectionTimer:
    """Adds up the seconds spent in named sections.

    On a CUDA device the sections are bracketed by events, which the device stamps when it gets there;
    they are read once, by `seconds`. On a CPU the clock is read at once.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[str, float] = {}
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def __call__(self, section: str) -> Iterator[None]:
        if self._device.type == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            # Of this device: without it torch takes the current one, which may be another.
            start.record(torch.cuda.current_stream(self._device))
            yield
            end.record(torch.cuda.current_stream(self._device))
            self._events.append((section, start, end))
        else:
            begin = time.perf_counter()
            yield
            self._add(section, time.perf_counter() - begin)

    def seconds(self) -> dict[str, float]:
        """Seconds by section since the last call; on CUDA this waits for the device."""
        if self._events:
            torch.cuda.synchronize(self._device)
        for section, start, end in self._events:
            self._add(section, start.elapsed_time(end) / 1000.0)
        seconds = self._seconds
        self._seconds, self._events = {}, []
        return seconds

    def _add(self, section: str, seconds: float) -> None:
        self._seconds[section] = self._seconds.get(section, 0.0) + seconds
