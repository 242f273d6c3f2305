"""Rules over time that a successful trial obeys.

A rule is data; `watch` gives the tracker that follows N trials of it with tensors alone.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hoigym.evaluation.quantities import OF_OBJECTS, Quantities

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


# --- Rules over time that a successful trial obeys ------------------------------------------------------------------


class Tracker(ABC):
    """Follows one rule through N trials."""

    @abstractmethod
    def update(self, quantities: Quantities, active: Tensor, step: int) -> None:
        """Takes the state after `step` control steps (0 is the start); only trials in active (N,) go on."""

    @abstractmethod
    def passed(self) -> Tensor:
        """Whether the rule holds so far, (N,) bool."""

    def broken(self) -> Tensor | bool:
        """Whether it can hold no more, whatever comes, (N,) bool; False where that cannot be told."""
        return False


class Rule(ABC):
    """One rule of a metric."""

    @abstractmethod
    def watch(self, trials: int, fps: float, statistic: Statistic, device: torch.device) -> Tracker:
        """A tracker for so many trials with so many steps a second."""

    @abstractmethod
    def wheres(self) -> tuple[Where, ...]:
        """All conditions in it."""


@dataclass(frozen=True)
class Always(Rule):
    """The conditions hold at every step from `after` [s] on."""

    where: Where
    after: float = 0.0

    def wheres(self) -> tuple[Where, ...]:
        return (self.where,)

    def watch(self, trials: int, fps: float, statistic: Statistic, device: torch.device) -> Tracker:
        return _AlwaysTracker(self.where.test(statistic), self.after * fps, trials, device)


class _AlwaysTracker(Tracker):
    def __init__(self, holds: Test, after: float, trials: int, device: torch.device):
        self._holds, self._after = holds, after
        self._good = torch.ones(trials, dtype=torch.bool, device=device)

    def update(self, quantities: Quantities, active: Tensor, step: int) -> None:
        if step >= self._after:
            self._good &= self._holds(quantities) | ~active

    def passed(self) -> Tensor:
        return self._good

    def broken(self) -> Tensor:
        return ~self._good


@dataclass(frozen=True)
class Stage:
    """Conditions that hold for `hold` [s] without a break; 0 is once."""

    where: Where
    hold: float = 0.0


@dataclass(frozen=True)
class Stages(Rule):
    """Stages that are passed one after the other; with `every` [s] again and again, each round in that time."""

    stages: tuple[Stage, ...]
    every: float | None = None

    def wheres(self) -> tuple[Where, ...]:
        return tuple(stage.where for stage in self.stages)

    def watch(self, trials: int, fps: float, statistic: Statistic, device: torch.device) -> Tracker:
        return _StagesTracker(self, trials, fps, statistic, device)


class _StagesTracker(Tracker):
    def __init__(self, rule: Stages, trials: int, fps: float, statistic: Statistic, device: torch.device):
        self._holds = [stage.where.test(statistic) for stage in rule.stages]
        self._needed = torch.tensor([max(1.0, stage.hold * fps) for stage in rule.stages], device=device)
        self._every = None if rule.every is None else rule.every * fps
        self._stage, self._run, self._rounds, self._since = (
            torch.zeros(trials, dtype=torch.long, device=device) for _ in range(4)
        )
        self._late = torch.zeros(trials, dtype=torch.bool, device=device)

    def update(self, quantities: Quantities, active: Tensor, step: int) -> None:
        last = len(self._holds) - 1
        stage = self._stage.clamp_max(last)
        holds = torch.stack([test(quantities) for test in self._holds], dim=1)
        here = holds.gather(1, stage[:, None])[:, 0] & (self._stage <= last) & active
        self._run = torch.where(active, torch.where(here, self._run + 1, 0), self._run)
        onward = here & (self._run >= self._needed[stage])
        self._stage += onward
        self._run.masked_fill_(onward, 0)
        finished = onward & (self._stage > last)
        self._rounds += finished
        if self._every is None:
            return
        self._stage.masked_fill_(finished, 0)
        self._since = torch.where(finished, 0, self._since + active)
        self._late |= self._since > self._every

    def passed(self) -> Tensor:
        return (self._rounds > 0) & ~self._late

    def broken(self) -> Tensor:
        return self._late


@dataclass(frozen=True)
class Mean(Rule):
    """The means of quantities over the trial lie in the ranges."""

    where: Where

    def wheres(self) -> tuple[Where, ...]:
        return (self.where,)

    def watch(self, trials: int, fps: float, statistic: Statistic, device: torch.device) -> Tracker:
        return _MeanTracker(self.where, trials, statistic, device)


class _MeanTracker(Tracker):
    def __init__(self, where: Where, trials: int, statistic: Statistic, device: torch.device):
        self._limits = [(item.quantity, *item.limits(statistic)) for item in where.ranges]
        self._sums = torch.zeros(len(self._limits), trials, dtype=torch.float64, device=device)
        self._steps = torch.zeros(trials, device=device)

    def update(self, quantities: Quantities, active: Tensor, step: int) -> None:
        if step == 0:
            return  # the state that was given, not one that was reached
        for place, (name, _, _) in enumerate(self._limits):
            self._sums[place] += quantities[name].double().masked_fill(~active, 0.0)
        self._steps += active

    def passed(self) -> Tensor:
        means = self._sums / self._steps.clamp_min(1.0)
        inside = [(mean >= low) & (mean <= high) for mean, (_, low, high) in zip(means, self._limits, strict=True)]
        return torch.stack(inside).all(0) & (self._steps > 0)


@dataclass(frozen=True)
class End(Rule):
    """The conditions hold at the last step."""

    where: Where

    def wheres(self) -> tuple[Where, ...]:
        return (self.where,)

    def watch(self, trials: int, fps: float, statistic: Statistic, device: torch.device) -> Tracker:
        return _EndTracker(self.where.test(statistic), trials, device)


class _EndTracker(Tracker):
    def __init__(self, holds: Test, trials: int, device: torch.device):
        self._holds = holds
        self._good = torch.zeros(trials, dtype=torch.bool, device=device)

    def update(self, quantities: Quantities, active: Tensor, step: int) -> None:
        self._good = torch.where(active, self._holds(quantities), self._good)

    def passed(self) -> Tensor:
        return self._good


@dataclass(frozen=True)
class Count(Rule):
    """The conditions hold in more than `over` steps, fewer than `under`, and more than the part `share` of all
    steps; only those after `after` [s] are looked at.
    """

    where: Where
    after: float = 0.0
    over: float | None = None
    under: float | None = None
    share: float | None = None

    def wheres(self) -> tuple[Where, ...]:
        return (self.where,)

    def watch(self, trials: int, fps: float, statistic: Statistic, device: torch.device) -> Tracker:
        return _CountTracker(self, trials, fps, statistic, device)


class _CountTracker(Tracker):
    def __init__(self, rule: Count, trials: int, fps: float, statistic: Statistic, device: torch.device):
        self._rule, self._holds = rule, rule.where.test(statistic)
        self._after = rule.after * fps
        self._count, self._steps = (torch.zeros(trials, device=device) for _ in range(2))

    def update(self, quantities: Quantities, active: Tensor, step: int) -> None:
        if step > self._after:
            self._count += self._holds(quantities) & active
            self._steps += active

    def passed(self) -> Tensor:
        good = self._steps > 0
        if self._rule.over is not None:
            good = good & (self._count > self._rule.over)
        if self._rule.under is not None:
            good = good & (self._count < self._rule.under)
        if self._rule.share is not None:
            good = good & (self._count > self._rule.share * self._steps)
        return good


@dataclass(frozen=True)
class Latch(Rule):
    """Published form: `before` holds once in the first `until` steps; afterwards `after` must hold (and), or may
    still make it a success (or).
    """

    until: int
    before: Where
    after: Where
    mode: Literal["and", "or"] = "and"

    def wheres(self) -> tuple[Where, ...]:
        return (self.before, self.after)

    def watch(self, trials: int, fps: float, statistic: Statistic, device: torch.device) -> Tracker:
        return _LatchTracker(self, trials, statistic, device)


class _LatchTracker(Tracker):
    def __init__(self, rule: Latch, trials: int, statistic: Statistic, device: torch.device):
        self._rule = rule
        self._before, self._after = rule.before.test(statistic), rule.after.test(statistic)
        self._reached = torch.zeros(trials, dtype=torch.bool, device=device)

    def update(self, quantities: Quantities, active: Tensor, step: int) -> None:
        if step == 0:
            return
        if step <= self._rule.until:
            self._reached |= self._before(quantities) & active
        elif self._rule.mode == "and":
            self._reached &= self._after(quantities) | ~active
        else:
            self._reached |= self._after(quantities) & active

    def passed(self) -> Tensor:
        return self._reached
