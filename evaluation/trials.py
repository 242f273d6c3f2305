"""Trials: their starts, the policy or the reference in them, and which of them were a success."""

import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hoigym.core.errors import UserError
from hoigym.envs.reward import REWARDS
from hoigym.envs.start import FIRST_START
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.disturbance import Disturbance
from hoigym.evaluation.frame_errors import FrameErrors, FrameErrorSums
from hoigym.evaluation.metrics import Form, Metric
from hoigym.evaluation.quantities import Quantities, Snapshot
from hoigym.evaluation.rules import Statistic, Tracker
from hoigym.motions.library import MotionLibrary
from hoigym.motions.skeleton import Skeleton
from hoigym.motions.state import Frames

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


# --- Trials without physics: the reference itself, frame by frame ---------------------------------------------------


# A hand holds an object only within this distance of its centre [m]: a label alone does not make a touch.
_REACH = 0.35


class ReplayTrials:
    """Trial i shows the frames of clip[i] (N,) from frame[i] (N,) to the clip's end, as if they had been reached."""

    def __init__(self, library: MotionLibrary, clip: Tensor, frame: Tensor):
        self._library, self._clip, self._frame = library, clip, frame
        self._hands = list(library.skeleton.hands)

    def snapshots(self) -> Iterator[Snapshot]:
        """The start, then the state after each step to the end of the longest trial."""
        library = self._library
        left = library.clip_length[self._clip] - 1 - self._frame
        for step in range(int(left.max()) + 1):
            row = library.frame_index(self._clip, self._frame + step)
            active = step <= left
            yield self.snapshot(library.reference(row), active, active & library.valid[row])

    def snapshot(self, frames: Frames, active: Tensor, referenced: Tensor) -> Snapshot:
        """The snapshot in which N trials are exactly in frames."""
        held = frames.contact > 0.5
        if frames.object_pos.shape[1]:
            hands = frames.body_pos[:, self._hands, None]
            held = held & (vector_norm(hands - frames.object_pos[:, None], dim=3).amin(1) < _REACH)
        nobody = torch.zeros_like(active)
        return Snapshot(
            root_pos=frames.root_pos,
            root_lin_vel=frames.root_lin_vel,
            root_ang_vel=frames.root_ang_vel,
            body_pos=frames.body_pos,
            object_pos=frames.object_pos,
            object_lin_vel=frames.object_lin_vel,
            held=held,
            touching=nobody,
            active=active,
            lost=nobody,
            reference=frames,
            referenced=referenced,
            reward=torch.ones(len(active), device=active.device),
        )


# --- Trials of a policy in an environment ---------------------------------------------------------------------------


Policy = Callable[[Tensor], Tensor]
"""Observations (N, O) to actions (N, A)."""


class SimulatedTrials:
    """One life for each row of an environment that ends no episode by itself (see `trial_config`).

    Args:
        env: N rows.
        policy: what acts.
        rows: (N,) library rows to start on, or near where the environment adds noise.
        steps: length of the trials.
        seed: of the environment's randomness.
        skill: the id that every row is asked for; that of its clip where None.
        to_clip_end: whether a trial ends with its clip, if that comes before `steps`.
        disturbance: what happens in between.
    """

    def __init__(
        self,
        env: HOIVectorEnv,
        policy: Policy,
        rows: Tensor,
        steps: int,
        seed: int,
        skill: int | None = None,
        to_clip_end: bool = False,
        disturbance: Disturbance | None = None,
    ):
        self._env, self._policy, self._rows = env, policy, rows
        self._steps, self._seed, self._skill = steps, seed, skill
        self._to_clip_end, self._disturbance = to_clip_end, disturbance
        self._reward = REWARDS[env.config.reward.kind]

    @torch.no_grad()
    def snapshots(self) -> Iterator[Snapshot]:
        """The start, then the state after each step."""
        env = self._env
        options = {"start": self._rows}
        if self._skill is not None:
            options["skill"] = torch.full_like(self._rows, self._skill)
        obs, _ = env.reset(seed=self._seed, options=options)
        lost = env.sim.state.diverged.clone()
        yield self._snapshot(torch.zeros(env.num_envs, device=env.device), lost)
        generator = torch.Generator(env.device).manual_seed(self._seed)
        for step in range(self._steps):
            if self._disturbance is not None and self._disturbance.due(step, env.library.fps):
                self._disturbance.apply(env, generator)
            obs, reward, terminated, truncated, info = env.step(self._policy(obs))
            # A row that ended starts anew within the step: what follows belongs to no trial.
            lost = lost | info["diverged"] | terminated | truncated
            yield self._snapshot(self._reward.share(reward, info["reward_terms"], env.object_free()), lost)

    def _snapshot(self, reward: Tensor, lost: Tensor) -> Snapshot:
        env, state = self._env, self._env.sim.state
        contacts = env.contacts()
        moved = env.progress - env.wait
        frame = env.start_frame + moved
        within = frame < env.library.clip_length[env.clip]
        return Snapshot(
            root_pos=state.root_pos,
            root_lin_vel=state.root_lin_vel,
            root_ang_vel=state.root_ang_vel,
            body_pos=state.body_pos,
            object_pos=state.object_pos,
            object_lin_vel=state.object_lin_vel,
            held=contacts.object,
            touching=contacts.body,
            active=~lost & (within | (not self._to_clip_end)),
            lost=lost,
            reference=env.reference(),
            referenced=within & (moved > 0) & env.library.valid[env.library.frame_index(env.clip, frame)],
            reward=reward,
        )


# --- What the reference clips of a skill say: its numbers, and the frames a trial may start on ----------------------


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


# --- Which frames trials start on, and the seeds they run with ------------------------------------------------------


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
