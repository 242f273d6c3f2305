"""Where an epoch's time goes: read from the clock on a CPU, from events of the right device on a GPU."""

import itertools

import pytest
import torch

from hoigym.agents.stats import SectionTimer


def test_sections_add_up_until_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 5.0, 7.0, 10.0, 13.0])
    monkeypatch.setattr("hoigym.agents.stats.time.perf_counter", lambda: next(ticks))
    timer = SectionTimer(torch.device("cpu"))
    for section in ("env", "update", "env"):
        with timer(section):
            pass
    assert timer.seconds() == {"env": 4.0, "update": 2.0}
    assert timer.seconds() == {}


def test_a_gpu_that_is_not_the_current_one_is_timed_by_its_own_events(monkeypatch: pytest.MonkeyPatch) -> None:
    milliseconds = itertools.count(step=500)
    waited: list[torch.device] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self, stream: object) -> None:
            assert stream == "stream of cuda:1"
            self.at = next(milliseconds)

        def elapsed_time(self, end: "Event") -> int:
            assert waited
            return end.at - self.at

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    timer = SectionTimer(torch.device("cuda:1"))
    for _ in range(2):
        with timer("env"):
            pass
    assert timer.seconds() == {"env": 1.0}
    assert waited == [torch.device("cuda:1")]
