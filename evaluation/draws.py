"""Which frames trials start on, and the seeds they run with."""

import hashlib
import math

import torch
from torch import Tensor

from envs.start_frames import FIRST_START
from evaluation.metrics import Metric
from evaluation.reference import clips_of
from motions.library import MotionLibrary


def start_rows(library: MotionLibrary, metric: Metric) -> Tensor:
    """All rows (R,) of the skill's clips that have a velocity and something after them."""
    every = torch.arange(library.num_frames, device=library.device)
    frame = every - library.clip_start[library.frame_clip]
    usable = (frame >= FIRST_START) & (frame < library.clip_length[library.frame_clip] - 1) & library.valid
    return every[usable & torch.isin(library.frame_clip, clips_of(library, metric))]


def draw_rows(library: MotionLibrary, rows: Tensor, count: int, seed: int) -> Tensor:
    """count of the rows (R,), every clip as often as another."""
    clip = library.frame_clip[rows]
    sizes = torch.bincount(clip, minlength=library.num_clips)
    weights = (1.0 / sizes[clip]).cpu()
    generator = torch.Generator().manual_seed(seed)
    return rows[torch.multinomial(weights, count, replacement=True, generator=generator).to(rows.device)]


def first_of_clips(library: MotionLibrary, rows: Tensor) -> Tensor:
    """The earliest of the rows (R,) of each clip that they are in."""
    clips = library.frame_clip[rows]
    return torch.stack([rows[clips == clip].min() for clip in clips.unique()])


def longest(library: MotionLibrary, rows: Tensor) -> int:
    """Most steps from any of the rows (N,) to the end of its clip."""
    clip = library.frame_clip[rows]
    return int((library.clip_start[clip] + library.clip_length[clip] - 1 - rows).max())


def seed_of(*names: object) -> int:
    """A seed that depends on all of the names and on nothing else: cells do not change with their neighbours."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, names)).encode()).digest()[:7])


def side_by_side(trials: int, most: int) -> int:
    """How many of the trials run at a time: at most so many, in the fewest batches, with no more rows than needed."""
    return math.ceil(trials / math.ceil(trials / most))


def batches(trials: int, rows: int) -> list[int]:
    """How many trials count in each batch of so many rows."""
    return [min(rows, trials - done) for done in range(0, trials, rows)]
