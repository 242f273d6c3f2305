"""Trials that are no motion at all, made from a reference."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from hoigym.evaluation.metrics import Form, Metric
from hoigym.evaluation.quantities import Snapshot
from hoigym.evaluation.trials import Outcome, ReplayTrials, judge, reference_statistic
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary

STEPS = 600
FLOOR = 0.12


def starts(clip: Clip) -> tuple[MotionLibrary, torch.Tensor, torch.Tensor]:
    """A clip as a library, and every third frame that a trial may start on: clip (N,), frame (N,)."""
    library = MotionLibrary([clip])
    frame = torch.arange(2, clip.num_frames - 1, 3)
    return library, torch.zeros_like(frame), frame


def verdict(snapshots: Iterator[Snapshot], metric: Metric, library: MotionLibrary, form: Form = "corrected") -> Outcome:
    """Snapshots of trials judged by a metric."""
    return judge(
        snapshots,
        metric,
        form,
        skeleton=library.skeleton,
        fps=library.fps,
        statistic=reference_statistic(library, metric),
    )


def replay(clip: Clip, metric: Metric, form: Form = "corrected") -> bool:
    """Whether the reference itself passes, from its first frame with a velocity to its end."""
    library = MotionLibrary([clip])
    source = ReplayTrials(library, torch.tensor([0]), torch.tensor([2]))
    return bool(verdict(source.snapshots(), metric, library, form).success[0])


def frozen(library: MotionLibrary, clip: torch.Tensor, frame: torch.Tensor) -> Iterator[Snapshot]:
    """Everything stands still in the state of a frame for ten seconds, as in a photograph."""
    first = _first(library, clip, frame)
    still = {
        name: torch.zeros_like(getattr(first, name)) for name in ("root_lin_vel", "root_ang_vel", "object_lin_vel")
    }
    for _ in range(STEPS):
        yield replace(first, **still)


def glued(library: MotionLibrary, clip: torch.Tensor, frame: torch.Tensor) -> Iterator[Snapshot]:
    """The body moves as in the reference, while the ball rolls on the floor below the root."""
    for snapshot in ReplayTrials(library, clip, frame).snapshots():
        ball = snapshot.root_pos[:, None].repeat(1, snapshot.object_pos.shape[1], 1)
        ball[..., 2] = FLOOR
        rolling = snapshot.root_lin_vel[:, None].repeat(1, snapshot.object_pos.shape[1], 1)
        rolling[..., 2] = 1e-3  # as a simulated ball that lies has it
        nothing = torch.zeros_like(snapshot.held)
        yield replace(snapshot, object_pos=ball, object_lin_vel=rolling, held=nothing)


def _first(library: MotionLibrary, clip: torch.Tensor, frame: torch.Tensor) -> Snapshot:
    first = next(ReplayTrials(library, clip, frame).snapshots())
    return replace(first, active=torch.ones_like(first.active))
