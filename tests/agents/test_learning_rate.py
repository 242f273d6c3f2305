import pytest

from hoigym.agents.losses import adapted_learning_rate, moved_too_far


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (0.02, 1e-4),
        (0.039, 1e-4),
        (0.011, 1e-4),
        (0.009, 1.5e-4),
        (0.0, 1.5e-4),
        (0.08, 0.5e-4),
        (0.32, 0.25e-4),
        (100.0, 1e-5),
        (float("nan"), 1e-5),
    ],
)
def test_step_size_follows_the_change(kl: float, expected: float) -> None:
    rate = adapted_learning_rate(1e-4, kl, wanted=0.02, lowest=1e-6, highest=1e-3)
    assert rate == pytest.approx(expected)


def test_limits_hold() -> None:
    assert adapted_learning_rate(9e-4, 0.0, 0.02, lowest=1e-6, highest=1e-3) == 1e-3
    assert adapted_learning_rate(2e-6, 100.0, 0.02, lowest=1e-6, highest=1e-3) == 1e-6


def test_moved_too_far() -> None:
    assert not moved_too_far(0.04, 0.02)
    assert moved_too_far(0.041, 0.02)
    assert moved_too_far(float("nan"), 0.02)
