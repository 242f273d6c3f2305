"""What the reference clips of a skill say: its numbers, and the frames a trial may start on."""

import functools

import torch
from torch import Tensor

from envs.start_frames import FIRST_START
from evaluation.conditions import Statistic
from evaluation.judge import judge
from evaluation.metrics import Form, Metric
from evaluation.quantities import Quantities
from evaluation.replay import ReplayTrials
from motions.errors import UserError
from motions.library import MotionLibrary


def clips_of(library: MotionLibrary, metric: Metric) -> Tensor:
    """Clips (C,) of the metric's skill; raises UserError where there is none."""
    clips = (library.clip_skill == metric.skill).nonzero()[:, 0]
    if len(clips) == 0:
        raise UserError(f"no clip of skill {metric.skill} ({metric.name}) among those of the policy")
    return clips


def reference_statistic(library: MotionLibrary, metric: Metric) -> Statistic:
    """Numbers of the skill's reference: the max, min or mean of a quantity over a clip, averaged over its clips."""
    clips = clips_of(library, metric)

    @functools.cache
    def statistic(name: str) -> float:
        kind, _, quantity = name.partition("_")
        return sum(_of_clip(library, int(clip), kind, quantity) for clip in clips) / len(clips)

    return statistic


def fair_starts(library: MotionLibrary, metric: Metric, form: Form) -> tuple[Tensor, list[str]]:
    """Rows (R,) of the library on which a trial of the skill may start.

    Those from which the reference itself, played to the end of its clip, is a success: no policy can be asked for
    more, and none is given a success that lies before the start. Where a clip offers none, all of its frames that
    have a velocity and something after them; the second value names these clips.
    """
    statistic = reference_statistic(library, metric)
    rows, failing = [], []
    for clip in clips_of(library, metric).tolist():
        frame = torch.arange(FIRST_START, int(library.clip_length[clip]) - 1, device=library.device)
        source = ReplayTrials(library, torch.full_like(frame, clip), frame)
        outcome = judge(
            source.snapshots(), metric, form, skeleton=library.skeleton, fps=library.fps, statistic=statistic
        )
        row = frame + library.clip_start[clip]
        fair = outcome.success & library.valid[row]
        if not fair.any():
            failing.append(library.clip_names[clip])
            fair = library.valid[row]
        rows.append(row[fair])
    return torch.cat(rows), failing


def _of_clip(library: MotionLibrary, clip: int, kind: str, quantity: str) -> float:
    frame = torch.arange(FIRST_START, int(library.clip_length[clip]), device=library.device)
    row = frame + library.clip_start[clip]
    frame = frame[library.valid[row]]
    source = ReplayTrials(library, torch.full_like(frame, clip), frame)
    values = Quantities(next(source.snapshots()), library.skeleton)[quantity]
    return float({"max": values.max, "min": values.min, "mean": values.mean}[kind]())
