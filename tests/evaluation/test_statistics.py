"""Wilson intervals against figures worked out by hand."""

import pytest

from hoigym.evaluation.report import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (5, 10, 0.23659, 0.76341),
        (96, 100, 0.90163, 0.98434),
        (1, 200, 0.00088, 0.02777),
    ],
)
def test_known_intervals(successes: int, trials: int, low: float, high: float):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=2e-5)


def test_the_ends_are_included_and_nothing_says_nothing():
    assert wilson_interval(0, 7)[0] == 0.0
    assert wilson_interval(7, 7)[1] == 1.0
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_more_trials_narrow_the_interval():
    widths = [high - low for low, high in (wilson_interval(n // 2, n) for n in (10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)
    assert widths[2] == pytest.approx(2 * 1.96 * (0.25 / 1000) ** 0.5, rel=0.01)
