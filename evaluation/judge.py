"""Runs trials to their end and says which of them were a success."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.conditions import Statistic
from evaluation.frame_errors import FrameErrors, FrameErrorSums
from evaluation.metrics import Form, Metric
from evaluation.quantities import Quantities
from evaluation.rules import Tracker
from evaluation.snapshot import Snapshot
from motions.errors import UserError
from motions.skeleton import Skeleton

_PATIENCE = 60
"""Steps without a reference in any trial after which none is expected to come."""


@dataclass(frozen=True)
class Outcome:
    """What became of N trials. success, lost (N,) bool; errors: their frames against the reference."""

    success: Tensor
    lost: Tensor
    errors: FrameErrors

    def first(self, count: int) -> "Outcome":
        """The first trials."""
        errors = FrameErrors(*(values[:count] for values in self.errors))
        return Outcome(self.success[:count], self.lost[:count], errors)


def judge(
    snapshots: Iterable[Snapshot],
    metric: Metric,
    form: Form,
    *,
    skeleton: Skeleton,
    fps: float,
    statistic: Statistic,
    switched: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> Outcome:
    """Judges trials by a metric.

    Args:
        snapshots: the start of the trials, then the state after each step.
        form: "corrected" rules or the "published" ones.
        fps: steps a second.
        statistic: numbers of the reference of the wanted skill, from `reference_statistic`.
        switched: whether the trials began in another skill.
        on_step: told the number of steps done.

    Raises UserError where the metric asks for an object and there is none, or has no such form.
    """
    rules = metric.rules(form, switched)
    trackers, sums, lost, unreferenced = [], None, torch.zeros(0), 0
    for step, snapshot in enumerate(snapshots):
        if sums is None:
            if metric.has_object and not snapshot.object_pos.shape[1]:
                raise UserError(f"metric {metric.name} needs an object, and the scene has none")
            trials, device = len(snapshot.active), snapshot.active.device
            trackers = [rule.watch(trials, fps, statistic, device) for rule in rules]
            sums = FrameErrorSums(trials, skeleton, metric.has_object, device)
            lost = torch.zeros_like(snapshot.active)
        quantities = Quantities(snapshot, skeleton)
        for tracker in trackers:
            tracker.update(quantities, snapshot.active, step)
        lost = lost | snapshot.lost
        if step > 0:
            sums.add(snapshot)
        if on_step is not None:
            on_step(step)
        unreferenced = 0 if snapshot.referenced.any() else unreferenced + 1
        if unreferenced > _PATIENCE and _all_decided(trackers, lost):
            break  # every trial has failed, and there is nothing left to compare
    if sums is None:
        raise ValueError("no trial to judge")
    passed = torch.stack([tracker.passed() for tracker in trackers]).all(0)
    return Outcome(passed & ~lost, lost, sums.means())


def _all_decided(trackers: list[Tracker], lost: Tensor) -> bool:
    for tracker in trackers:
        lost = lost | tracker.broken()
    return bool(lost.all())
