"""Rules over time on made-up sequences of one quantity."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from hoigym.evaluation.rules import Always, Bound, Count, End, Latch, Mean, Range, Rule, Stage, Stages, Where

FPS = 10.0


def above(low: float) -> Where:
    return Where((Range("root_height", min=Bound(low)),))


def below(high: float) -> Where:
    return Where((Range("root_height", max=Bound(high)),))


class Heights:
    """Stands for quantities: only the height of the root, (N,)."""

    def __init__(self, values: Tensor):
        self.values = values

    def __getitem__(self, name: str) -> Tensor:
        assert name == "root_height"
        return self.values


def passed(rule: Rule, *trials: Sequence[float], statistic: float = 0.0) -> list[bool]:
    """Whether trials, sequences of heights, pass; shorter ones end early."""
    steps = max(map(len, trials))
    tracker = rule.watch(len(trials), FPS, lambda name: statistic, torch.device("cpu"))
    for step in range(steps):
        active = torch.tensor([step < len(trial) for trial in trials])
        values = torch.tensor([trial[step] if step < len(trial) else -1e9 for trial in trials])
        tracker.update(Heights(values), active, step)  # type: ignore[arg-type]
    return tracker.passed().tolist()


def test_always():
    assert passed(Always(above(1)), [1, 2, 3], [1, 0, 3], [2]) == [True, False, True]
    assert passed(Always(above(1), after=0.2), [0, 0, 1], [0, 0, 0]) == [True, False]


def test_always_is_not_satisfied_by_what_is_no_number():
    assert passed(Always(above(-10)), [1, float("nan"), 1]) == [False]


def test_stages_come_in_order():
    rule = Stages((Stage(below(1)), Stage(above(3))))
    assert passed(rule, [0, 2, 4], [4, 2, 0], [0, 2, 2], [0, 4, 0]) == [True, False, False, True]


def test_a_stage_holds_without_a_break():
    rule = Stages((Stage(below(1)), Stage(above(3), hold=0.3)))
    assert passed(rule, [0, 4, 4, 4], [0, 4, 4, 0, 4], [0, 4, 4]) == [True, False, False]


def test_a_stage_is_not_passed_after_the_end_of_the_trial():
    rule = Stages((Stage(above(1)), Stage(below(0))))
    assert passed(rule, [2, 2], [2, 2, 2, 2]) == [False, False]


def test_rounds_come_in_time():
    rule = Stages((Stage(above(3)), Stage(below(1))), every=0.4)
    assert passed(rule, [4, 0, 4, 0, 4, 0]) == [True]
    assert passed(rule, [4, 0, 2, 2, 2, 2]) == [True]
    assert passed(rule, [4, 0, 2, 2, 2, 2, 2]) == [False]
    assert passed(rule, [2, 2, 2, 2, 4, 0]) == [False]
    assert passed(rule, [4, 4]) == [False]


def test_mean_leaves_the_given_start_out():
    rule = Mean(Where((Range("root_height", min=Bound(1.0), max=Bound(2.0)),)))
    assert passed(rule, [100, 1, 2], [1, 3, 3], [1, 1, 2], [1.5]) == [True, False, True, False]


def test_end_is_the_last_step_of_each_trial():
    assert passed(End(above(1)), [0, 0, 2], [0, 2], [2, 0]) == [True, True, False]


def test_count():
    assert passed(Count(above(1), over=1), [0, 2, 2], [2, 2, 0], [0, 2, 0, 2]) == [True, False, True]
    assert passed(Count(above(1), over=0, under=2), [0, 2, 2], [0, 2, 0]) == [False, True]
    assert passed(Count(above(1), share=0.5), [0, 2, 2, 0], [0, 2, 0], [0, 2, 0, 0]) == [True, False, False]
    assert passed(Count(above(1), share=0.5, after=0.2), [0, 0, 0, 2], [0, 2, 2, 0]) == [True, False]


def test_latch():
    both = [[0, 2, 0, 2], [0, 2, 0, 0], [0, 0, 0, 2]]
    rule = Latch(until=2, before=above(1), after=above(1))
    assert passed(rule, *both) == [True, False, False]
    assert passed(Latch(until=2, before=above(1), after=above(1), mode="or"), *both) == [True, True, True]


@pytest.mark.parametrize(("statistic", "expected"), [(2.0, [True]), (3.0, [False])])
def test_bounds_follow_the_reference(statistic: float, expected: list[bool]):
    where = Where((Range("root_height", min=Bound(plus=0.5, of="max_root_height", times=2.0)),))
    assert passed(Always(where), [4.5, 5.0], statistic=statistic) == expected


def test_what_is_broken_stays_broken():
    trackers = [rule.watch(3, FPS, lambda name: 0.0, torch.device("cpu")) for rule in (Always(above(1)), End(above(1)))]
    for step, values in enumerate(([2.0, 2.0, 2.0], [0.0, 2.0, 2.0], [2.0, 2.0, 0.0])):
        for tracker in trackers:
            tracker.update(Heights(torch.tensor(values)), torch.tensor([True, True, step < 2]), step)  # type: ignore[arg-type]
    always, end = trackers
    assert torch.as_tensor(always.broken()).tolist() == [True, False, False]
    assert end.broken() is False
