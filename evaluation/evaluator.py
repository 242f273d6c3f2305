"""Evaluates a policy: many trials of every skill and transition of a table."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from envs.config import EnvConfig, EpisodeConfig, StartConfig
from envs.make import make_env
from envs.vector_env import HOIVectorEnv
from evaluation.disturbance import Disturbance
from evaluation.draws import batches, draw_rows, longest, seed_of, start_rows
from evaluation.frame_errors import FrameErrors
from evaluation.judge import Outcome, judge
from evaluation.metrics import Form, Metric, metrics_of
from evaluation.projectiles import Projectiles, described, with_projectiles
from evaluation.pushes import Pushes
from evaluation.reference import fair_starts, reference_statistic
from evaluation.report import Cell, Report
from evaluation.simulated import Policy, SimulatedTrials
from evaluation.statistics import wilson_interval
from evaluation.tables import Table
from evaluation.walk_cells import walk_cells
from motions.errors import UserError
from motions.library import MotionLibrary

MOST_ROWS = 1024
"""Trials that run side by side where nothing else is said."""
Progress = Callable[[str, int, int], None]
"""Told what is under way, steps done, steps in all."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """trials: of every cell, spread over the seeds. form: which metrics. horizon: length of a trial [s], 0 to the end
    of the clip; the table's where None. rows: trials side by side; chosen where 0. walk: skills of a skill walk, 0 for
    none; leg: how long each is asked for [s]. push: speed [m/s] of the blows of a further cell of each skill.
    projectiles: whether there is one with boxes thrown.
    """

    trials: int = 200
    seeds: tuple[int, ...] = (0,)
    form: Form = "corrected"
    horizon: float | None = None
    rows: int = 0
    walk: int = 0
    leg: float = 4.0
    push: float = 0.0
    projectiles: bool = False

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise UserError(f"seeds: expected different ones, got {list(self.seeds)}")
        if self.trials < 1 or self.trials % len(self.seeds):
            raise UserError(f"trials {self.trials}: expected a multiple of the {len(self.seeds)} seeds")
        if self.horizon is not None and not self.horizon >= 0:
            raise UserError(f"horizon {self.horizon}: expected seconds, or 0 for the end of the clip")
        if self.rows < 0:
            raise UserError(f"rows {self.rows}: expected 1 or more, or 0 for a choice")
        if self.push < 0:
            raise UserError(f"push {self.push}: expected a speed, or 0 for none")
        if self.walk < 0 or not self.leg > 0:
            raise UserError(f"walk {self.walk}, leg {self.leg}: expected a number of skills and seconds above 0")


@dataclass(frozen=True)
class _Job:
    """Trials of one cell."""

    kind: str
    metric: Metric
    start: Metric
    published: dict[str, float]

    @property
    def name(self) -> str:
        if self.kind == "TSR":
            return f"{self.start.title} → {self.metric.title}"
        return f"{self.metric.title} {self.kind}"


def evaluate(
    config: EnvConfig,
    table: Table,
    settings: EvaluationSettings,
    load_policy: Callable[[HOIVectorEnv], Policy],
    *,
    checkpoint: str,
    progress: Progress | None = None,
) -> Report:
    """Evaluates a policy.

    Args:
        config: the environment that the policy was trained in; starts and episodes are replaced (`trial_config`).
        table: what to evaluate.
        load_policy: the policy for an environment.
        checkpoint: what the report calls the policy.

    Raises UserError for a table of another task, and skills that the clips do not have.
    """
    if table.task is not None and table.task != config.task:
        raise UserError(f"table '{table.title}' is for {table.task} policies; {checkpoint} is one for {config.task}")
    horizon = table.horizon if settings.horizon is None else settings.horizon
    rows = settings.rows or min(settings.trials // len(settings.seeds), MOST_ROWS)
    cells: list[Cell] = []
    notes: list[str] = []
    for trials, kinds in _environments(trial_config(config, rows, noise=False), settings, table):
        with contextlib.closing(make_env(trials)) as env:
            jobs, missing = _jobs(table, env.library)
            policy = load_policy(env)
            runner = _Runner(env, policy, settings, horizon, progress)
            cells += [runner.cell(job) for job in jobs if job.kind in kinds]
            notes += [note for note in (*missing, *runner.notes) if note not in notes]
            if settings.walk and "TSR" in kinds:
                cells += _walk(env, policy, settings, config.start.graph_file, progress)
    if settings.projectiles:
        notes.append(described(with_projectiles(config)))
    return Report(
        title=table.title,
        checkpoint=checkpoint,
        task=config.task,
        engine=config.engine,
        hands=config.scene.hands,
        form=settings.form,
        horizon=horizon,
        seeds=settings.seeds,
        cells=tuple(cells),
        notes=tuple(notes),
        source=table.source,
    )


def _environments(
    plain: EnvConfig, settings: EvaluationSettings, table: Table
) -> list[tuple[EnvConfig, tuple[str, ...]]]:
    """The environments that trials need, one after the other, and the kinds of cells that each is for."""
    kinds = ("SR", "pushed", "TSR") if settings.push else ("SR", "TSR")
    found: list[tuple[EnvConfig, tuple[str, ...]]] = [(plain, kinds)]
    if table.skills != ():
        found.append((replace(plain, start=StartConfig(noise=1.0)), ("eNSR",)))
        if settings.projectiles:
            found.append((with_projectiles(plain), ("projectiles",)))
    return found


def _walk(
    env: HOIVectorEnv, policy: Policy, settings: EvaluationSettings, graph_file: str, progress: Progress | None
) -> list[Cell]:
    return walk_cells(
        env,
        policy,
        graph_file,
        legs=settings.walk,
        seconds=settings.leg,
        trials=settings.trials,
        seeds=settings.seeds,
        form=settings.form,
        progress=progress,
    )


def trial_config(config: EnvConfig, rows: int, noise: bool) -> EnvConfig:
    """The environment of a policy for trials: it starts where it is told, and nothing but a divergence ends an episode.

    noise: whether every start is moved into the neighbourhood of the reference (eNSR).
    """
    endless = EpisodeConfig(
        length=2**31 - 1, stop_at_clip_end=False, fall_height=None, lying_skills=config.episode.lying_skills
    )
    start = StartConfig(noise=1.0 if noise else 0.0)
    return replace(config, num_envs=rows, start=start, episode=endless)


def _jobs(table: Table, library: MotionLibrary) -> tuple[list[_Job], list[str]]:
    """The cells of every kind that the clips allow, and what they do not."""
    jobs, missing = [], []
    there = set(library.clip_skill.tolist())
    skills = metrics_of(library.skeleton.name, sorted(there)) if table.skills is None else table.skills
    for metric in skills:
        if metric.skill not in there:
            missing.append(f"{metric.title}: the policy's clips do not have it")
            continue
        published = dict(table.published.get(metric.name, {}))
        jobs += [_Job(kind, metric, metric, published) for kind in ("SR", "eNSR", "pushed", "projectiles")]
    figures = table.published_transitions or (None,) * len(table.transitions)
    for (start, metric), figure in zip(table.transitions, figures, strict=True):
        lacking = [item.title for item in (start, metric) if item.skill not in there]
        if lacking:
            missing.append(f"{start.title} → {metric.title}: the policy's clips have no {lacking[0]}")
        else:
            jobs.append(_Job("TSR", metric, start, {} if figure is None else {"TSR": figure}))
    if not jobs:
        raise UserError(f"nothing to evaluate: {'; '.join(missing) or 'no skill of the clips has a metric'}")
    return jobs, missing


class _Runner:
    """Runs cells in one environment."""

    def __init__(
        self,
        env: HOIVectorEnv,
        policy: Policy,
        settings: EvaluationSettings,
        horizon: float,
        progress: Progress | None,
    ):
        self._env, self._policy, self._settings = env, policy, settings
        self._steps = round(horizon * env.library.fps)
        self._progress = progress
        self.notes: list[str] = []

    def cell(self, job: _Job) -> Cell:
        """All trials of a job."""
        starts, trials = self._starts(job), self._settings.trials // len(self._settings.seeds)
        outcomes = [
            self._batch(job, starts, seed, batch, wanted)
            for seed in self._settings.seeds
            for batch, wanted in enumerate(batches(trials, self._env.num_envs))
        ]
        success = torch.cat([outcome.success for outcome in outcomes])
        lost = torch.cat([outcome.lost for outcome in outcomes])
        errors = FrameErrors(*(torch.cat(parts) for parts in zip(*(o.errors for o in outcomes), strict=True)))
        successes = int(success.sum())
        low, high = wilson_interval(successes, len(success))
        compared = job.kind != "TSR"  # after a switch the reference is that of another skill
        with_object = compared and job.metric.has_object
        return Cell(
            kind=job.kind,
            skill=job.metric.name,
            start_skill=job.start.name,
            trials=len(success),
            successes=successes,
            low=low,
            high=high,
            lost=int(lost.sum()),
            reward=_mean(errors.reward) if compared else None,
            accuracy=_mean(errors.accuracy) if compared else None,
            body_error=_mean(1000.0 * errors.body_error) if compared else None,
            object_error=_mean(1000.0 * errors.object_error) if with_object else None,
            contact_error=_mean(errors.contact_error) if with_object else None,
            published=job.published,
        )

    def _starts(self, job: _Job) -> Tensor:
        """Rows of the library on which the job's trials may start: fair ones; all where another skill begins."""
        library = self._env.library
        if job.kind == "TSR":
            return start_rows(library, job.start)
        rows, failing = fair_starts(library, job.metric, self._settings.form)
        for name in failing:
            note = f"{name}: the reference itself does not pass the {self._settings.form} metric from any frame"
            if note not in self.notes:
                self.notes.append(note)
        return rows

    def _batch(self, job: _Job, starts: Tensor, seed: int, batch: int, wanted: int) -> Outcome:
        """The first `wanted` of a full environment of trials."""
        env, library = self._env, self._env.library
        number = seed_of(seed, job.kind, job.start.name, job.metric.name, batch)
        rows = draw_rows(library, starts, env.num_envs, number)
        steps = self._steps or longest(library, rows)
        source = SimulatedTrials(
            env,
            self._policy,
            rows,
            steps,
            number,
            skill=job.metric.skill,
            to_clip_end=not self._steps,
            disturbance=self._disturbance(job),
        )
        outcome = judge(
            source.snapshots(),
            job.metric,
            self._settings.form,
            skeleton=library.skeleton,
            fps=library.fps,
            statistic=reference_statistic(library, job.metric),
            switched=job.kind == "TSR",
            on_step=self._teller(job.name, steps),
        )
        return outcome.first(wanted)

    def _disturbance(self, job: _Job) -> Disturbance | None:
        if job.kind == "pushed":
            return Pushes(self._settings.push)
        return Projectiles() if job.kind == "projectiles" else None

    def _teller(self, name: str, steps: int) -> Callable[[int], None] | None:
        progress = self._progress
        return None if progress is None else lambda step: progress(name, step, steps)


def _mean(values: Tensor) -> float | None:
    mean = float(values.nanmean())
    return None if math.isnan(mean) else mean
