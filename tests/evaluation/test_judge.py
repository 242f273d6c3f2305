"""Judging a source of snapshots."""

from dataclasses import replace

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.evaluation.metrics import metric_named
from hoigym.evaluation.trials import judge, reference_statistic
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from tests.evaluation.sources import frozen


@pytest.fixture
def library(demo_clips: dict[str, Clip]) -> MotionLibrary:
    return MotionLibrary([demo_clips["014_demo_dribble_spot_2"]])


def count_steps(library: MotionLibrary, referenced_until: int) -> int:
    """How many of 600 steps are asked for of a dribble that stands still."""
    metric = metric_named("mocap", "dribble_on_the_spot")
    steps = 0

    def snapshots():
        nonlocal steps
        for step, snapshot in enumerate(frozen(library, torch.tensor([0]), torch.tensor([5]))):
            steps += 1
            yield replace(snapshot, referenced=torch.tensor([step < referenced_until]))

    outcome = judge(
        snapshots(), metric, "corrected",
        skeleton=library.skeleton, fps=60.0, statistic=reference_statistic(library, metric),
    )  # fmt: skip
    assert outcome.success.tolist() == [False]
    return steps


def test_trials_that_have_all_failed_are_not_run_to_their_end(library: MotionLibrary):
    # No round of the dribble within two seconds: decided after 120 steps.
    assert count_steps(library, referenced_until=0) == 121
    assert count_steps(library, referenced_until=200) == 261


def test_what_has_no_object_cannot_be_judged_by_one(library: MotionLibrary):
    metric = metric_named("mocap", "dribble_on_the_spot")
    snapshot = next(frozen(library, torch.tensor([0]), torch.tensor([5])))
    without = replace(snapshot, object_pos=torch.zeros(1, 0, 3), held=torch.zeros(1, 0, dtype=torch.bool))
    with pytest.raises(UserError, match="metric dribble_on_the_spot needs an object"):
        judge([without], metric, "corrected", skeleton=library.skeleton, fps=60.0, statistic=lambda name: 0.0)


def test_a_lost_trial_is_no_success(demo_clips: dict[str, Clip]):
    library = MotionLibrary([demo_clips["010_demo_walk_1"]])
    metric = metric_named("mocap", "run_no_object")
    statistic = reference_statistic(library, metric)
    first = next(frozen(library, torch.tensor([0, 0]), torch.tensor([5, 5])))
    walking = replace(first, root_lin_vel=torch.tensor([[1.0, 0.0, 0.0]] * 2))
    lost = replace(walking, lost=torch.tensor([False, True]), active=torch.tensor([True, False]))
    outcome = judge(
        [walking, walking, lost, walking], metric, "corrected",
        skeleton=library.skeleton, fps=60.0, statistic=statistic,
    )  # fmt: skip
    assert outcome.success.tolist() == [True, False]
    assert outcome.lost.tolist() == [False, True]
