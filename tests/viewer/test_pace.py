"""Keeping time."""

import pytest

from hoigym.viewer.controls import Pacer


class Clock:
    """A clock that only moves when told to, or slept on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(work: float, steps: int, dt: float = 1 / 60) -> tuple[Pacer, Clock]:
    """A loop whose steps take `work` [s] each."""
    clock = Clock()
    pacer = Pacer(dt, clock, clock.sleep)
    for _ in range(steps):
        clock.now += work
        pacer.wait()
    return pacer, clock


def test_a_quick_loop_runs_in_real_time():
    pacer, clock = run(work=0.004, steps=121)
    assert clock.now - 100.0 == pytest.approx(0.004 + 120 / 60)
    assert pacer.rate == pytest.approx(1.0)
    assert pacer.steps_per_second == pytest.approx(60.0)
    assert not pacer.late


def test_a_slow_loop_is_late_and_never_waits():
    pacer, clock = run(work=0.04, steps=100)
    assert clock.now - 100.0 == pytest.approx(100 * 0.04)
    assert pacer.rate == pytest.approx((1 / 60) / 0.04)
    assert pacer.late


def test_a_short_delay_is_made_up_for_and_a_long_one_is_not():
    pacer, clock = run(work=0.0, steps=10)
    start = clock.now
    clock.now += 0.05
    for _ in range(10):
        pacer.wait()
    assert clock.now - start == pytest.approx(10 / 60)
    start = clock.now
    clock.now += 5.0
    for _ in range(10):
        pacer.wait()
    assert clock.now - start == pytest.approx(5.0 + 9 / 60)


def test_what_follows_a_pause_is_not_late():
    pacer, clock = run(work=0.0, steps=30)
    clock.now += 60.0
    pacer.rest()
    for _ in range(5):
        pacer.wait()
    assert not pacer.late
