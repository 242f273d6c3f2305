"""Conditions on quantities, with bounds that may depend on the reference."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.quantities import OF_OBJECTS, Quantities

Statistic = Callable[[str], float]
"""A number of the reference by its name, such as max_object_height."""
Test = Callable[[Quantities], Tensor]
"""Whether conditions hold, (N,) bool."""


@dataclass(frozen=True)
class Bound:
    """times * (a statistic of the reference) + plus; plus alone where there is no statistic."""

    plus: float = 0.0
    of: str | None = None
    times: float = 1.0

    def value(self, statistic: Statistic) -> float:
        return self.plus if self.of is None else self.times * statistic(self.of) + self.plus


@dataclass(frozen=True)
class Range:
    """A quantity between two bounds, both included; None is open."""

    quantity: str
    min: Bound | None = None
    max: Bound | None = None

    def limits(self, statistic: Statistic) -> tuple[float, float]:
        low = -math.inf if self.min is None else self.min.value(statistic)
        return low, math.inf if self.max is None else self.max.value(statistic)


@dataclass(frozen=True)
class Where:
    """Ranges that must all hold."""

    ranges: tuple[Range, ...]

    @property
    def needs_object(self) -> bool:
        return any(item.quantity in OF_OBJECTS for item in self.ranges)

    def test(self, statistic: Statistic) -> Test:
        """The test with the bounds of a reference: quantities of N rows -> (N,) bool. NaN never holds."""
        limits = [(item.quantity, *item.limits(statistic)) for item in self.ranges]

        def holds(quantities: Quantities) -> Tensor:
            masks = [(quantities[name] >= low) & (quantities[name] <= high) for name, low, high in limits]
            return torch.stack(masks).all(0)

        return holds
