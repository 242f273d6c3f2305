"""A step size that keeps the policy's change per epoch near a wanted one."""

import math

TOO_MUCH = 2.0
"""An epoch that moved the policy this many times as far as wanted lowers the step size."""
TOO_LITTLE = 0.5
LARGEST_RAISE = 1.5
LARGEST_CUT = 0.1


def moved_too_far(kl: float, wanted: float) -> bool:
    """Whether the KL divergence of an epoch so far calls for an end of the actor's steps."""
    return not kl <= TOO_MUCH * wanted


def adapted_learning_rate(current: float, kl: float, wanted: float, *, lowest: float, highest: float) -> float:
    """The step size of the next epoch.

    For small steps the divergence grows with the square of the step size, so a step that was too long is
    cut by the square root; too short a one grows by half at most, as is usual in the field.

    Args:
        current: Step size of this epoch.
        kl: KL divergence of the policy from the one that acted, at the epoch's end.
        wanted: The divergence that is wanted.
        lowest: Lower limit of the step size.
        highest: Upper limit.
    """
    factor = 1.0
    if not math.isfinite(kl):
        factor = LARGEST_CUT
    elif moved_too_far(kl, wanted):
        factor = max(math.sqrt(wanted / kl), LARGEST_CUT)
    elif kl < TOO_LITTLE * wanted:
        factor = LARGEST_RAISE
    return min(max(current * factor, lowest), highest)
