"""What a number of trials says."""

import math

_Z95 = 1.959963984540054


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a success rate (Wilson's score interval); (0, 1) for no trial."""
    if trials == 0:
        return 0.0, 1.0
    rate, square = successes / trials, _Z95 * _Z95
    centre = rate + square / (2 * trials)
    spread = _Z95 * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    low, high = ((centre + side * spread) / (1 + square / trials) for side in (-1, 1))
    # Rounding must not leave the certain ends out.
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)
