"""Evaluator: many trials of every skill and transition of a table."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig, EpisodeConfig, StartConfig
from hoigym.envs.make import make_env
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.disturbance import Disturbance, Projectiles, Pushes, described, with_projectiles
from hoigym.evaluation.frame_errors import FrameErrors
from hoigym.evaluation.metrics import Form, Metric, metrics_of
from hoigym.evaluation.report import Cell, Report, wilson_interval
from hoigym.evaluation.tables import EvaluationSettings, Progress, Table
from hoigym.evaluation.trials import (
    Outcome,
    Policy,
    SimulatedTrials,
    batches,
    draw_rows,
    fair_starts,
    first_of_clips,
    judge,
    longest,
    reference_statistic,
    seed_of,
    side_by_side,
    start_rows,
)
from hoigym.evaluation.walk import WalkCells
from hoigym.motions.library import MotionLibrary

COMPARED = ("SR", "eNSR", "pushed", "projectiles")
"""Kinds of cells whose trials follow a reference: after a switch, or with the ball elsewhere, it says nothing."""


@dataclass(frozen=True)
class Job:
    """Trials of one cell; kind as in `report.Cell`."""

    kind: str
    metric: Metric
    start: Metric
    published: dict[str, float]

    @property
    def name(self) -> str:
        if self.kind == "TSR":
            return f"{self.start.title} → {self.metric.title}"
        return f"{self.metric.title} {self.kind}"


def trial_config(config: EnvConfig, rows: int, start: StartConfig | None = None) -> EnvConfig:
    """The environment of a policy for trials: it starts where it is told, and nothing but a divergence ends an episode.

    start: what happens to the states it is told to start in; nothing where None.
    """
    endless = EpisodeConfig(
        length=2**31 - 1, stop_at_clip_end=False, fall_height=None, lying_skills=config.episode.lying_skills
    )
    return replace(config, num_envs=rows, start=start or StartConfig(), episode=endless)


def trial_environments(
    config: EnvConfig, rows: int, settings: EvaluationSettings, table: Table
) -> list[tuple[EnvConfig, tuple[str, ...]]]:
    """The environments that trials need, one after the other, and the kinds of cells that each is for."""
    plain = trial_config(config, rows)
    kinds = ("SR", "pushed", "TSR") if settings.push else ("SR", "TSR")
    found: list[tuple[EnvConfig, tuple[str, ...]]] = [(plain, kinds)]
    if table.skills != ():
        found.append((trial_config(config, rows, StartConfig(noise=1.0)), ("eNSR",)))
        if settings.projectiles == "auto":
            found.append((with_projectiles(plain), ("projectiles",)))
        if settings.scatter or table.scattered:
            anywhere = StartConfig(scatter=1.0, scatter_distance=config.start.scatter_distance)
            found.append((trial_config(config, rows, anywhere), ("scattered",)))
    return found


def plan_jobs(table: Table, library: MotionLibrary, form: Form, scatter: bool = False) -> tuple[list[Job], list[str]]:
    """The cells of every kind that clips and metrics allow, and what they do not.

    form: of the metrics. scatter: whether every skill with an object is tried with it at random places, and not only
    those of the table.

    Raises UserError where there is nothing to evaluate.
    """
    jobs, missing = [], []
    there = set(library.clip_skill.tolist())
    skills = table.skills
    if skills is None:
        skills = metrics_of(library.skeleton.name, sorted(there))
        known = {metric.skill for metric in skills}
        missing += [f"skill {skill} of the clips: there is no metric" for skill in sorted(there - known)]
    for metric in skills:
        if metric.skill not in there:
            missing.append(f"{metric.title}: the policy's clips do not have it")
            continue
        if not metric.offers(form):
            missing.append(f"{metric.title}: its metric has no {form} form")
            continue
        published = dict(table.published.get(metric.name, {}))
        scattered = metric.has_object and (scatter or metric in table.scattered)
        kinds = ("SR", "eNSR", "pushed", "projectiles", *(("scattered",) if scattered else ()))
        jobs += [Job(kind, metric, metric, published) for kind in kinds]
    figures = table.published_transitions or (None,) * len(table.transitions)
    for (start, metric), figure in zip(table.transitions, figures, strict=True):
        lacking = [item.title for item in (start, metric) if item.skill not in there]
        if lacking:
            missing.append(f"{start.title} → {metric.title}: the policy's clips have no {lacking[0]}")
        elif not metric.offers(form):
            missing.append(f"{start.title} → {metric.title}: the metric of {metric.title} has no {form} form")
        else:
            jobs.append(Job("TSR", metric, start, {} if figure is None else {"TSR": figure}))
    if not jobs:
        raise UserError(f"nothing to evaluate: {'; '.join(missing)}")
    return jobs, missing


# --- Evaluates a policy: many trials of every skill and transition of a table ---------------------------------------


MOST_ROWS = 1024
"""Trials that run side by side where nothing else is said."""


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
        config: the environment that the policy was trained in; starts and episodes are replaced (`plan.trial_config`).
        table: what to evaluate.
        load_policy: the policy for an environment.
        checkpoint: what the report calls the policy.

    Raises UserError for a table of another task, and skills that the clips do not have.
    """
    if table.task is not None and table.task != config.task:
        raise UserError(f"table '{table.title}' is for {table.task} policies; {checkpoint} is one for {config.task}")
    horizon = table.horizon if settings.horizon is None else settings.horizon
    rows = side_by_side(settings.trials // len(settings.seeds), settings.rows or MOST_ROWS)
    cells: list[Cell] = []
    notes: list[str] = []
    for trials, kinds in trial_environments(config, rows, settings, table):
        with contextlib.closing(make_env(trials)) as env:
            jobs, missing = plan_jobs(table, env.library, settings.metric, settings.scatter)
            policy = load_policy(env)
            walks = None
            if settings.walk and "TSR" in kinds:
                walks = WalkCells(env, policy, settings, config.start.graph_file)
            runner = _Runner(env, policy, settings, horizon, progress)
            cells += [runner.cell(job) for job in jobs if job.kind in kinds]
            notes += [note for note in (*missing, *runner.notes) if note not in notes]
            cells += walks.run(progress) if walks else []
    notes += _explained({cell.kind for cell in cells}, config, settings)
    return Report(
        title=table.title,
        checkpoint=checkpoint,
        task=config.task,
        engine=config.engine,
        hands=config.scene.hands,
        form=settings.metric,
        horizon=horizon,
        seeds=settings.seeds,
        cells=tuple(cells),
        notes=tuple(notes),
        source=table.source,
    )


def _explained(kinds: set[str], config: EnvConfig, settings: EvaluationSettings) -> list[str]:
    """What the cells of these kinds ask for, where the tables do not say it."""
    least, greatest = config.start.scatter_distance
    lines = {
        "pushed": f"pushed: the body gains {settings.push:g} m/s every {Pushes(settings.push).every:g} s",
        "projectiles": described(with_projectiles(config)),
        "scattered": f"random place: objects {least:g} to {greatest:g} m from the root, from the first frame of a clip",
        "walk": f"skill walk: {settings.walk} skills, {settings.leg:g} s each",
    }
    return [line for kind, line in lines.items() if kind in kinds]


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
        self._steps = max(1, round(horizon * env.library.fps)) if horizon else 0
        self._progress = progress
        self.notes: list[str] = []

    def cell(self, job: Job) -> Cell:
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
        compared = job.kind in COMPARED
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

    def _starts(self, job: Job) -> Tensor:
        """Rows of the library on which the job's trials may start: fair ones; all where another skill begins."""
        library = self._env.library
        if job.kind == "TSR":
            return start_rows(library, job.start)
        rows, failing = fair_starts(library, job.metric, self._settings.metric)
        for name in failing:
            note = f"{name}: the reference itself does not pass the {self._settings.metric} metric from any frame"
            if note not in self.notes:
                self.notes.append(note)
        # The body must not have gone for the ball yet where it was.
        return first_of_clips(library, rows) if job.kind == "scattered" else rows

    def _batch(self, job: Job, starts: Tensor, seed: int, batch: int, wanted: int) -> Outcome:
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
            self._settings.metric,
            skeleton=library.skeleton,
            fps=library.fps,
            statistic=reference_statistic(library, job.metric),
            switched=job.kind == "TSR",
            on_step=self._teller(job.name, steps),
        )
        return outcome.first(wanted)

    def _disturbance(self, job: Job) -> Disturbance | None:
        if job.kind == "pushed":
            return Pushes(self._settings.push)
        return Projectiles() if job.kind == "projectiles" else None

    def _teller(self, name: str, steps: int) -> Callable[[int], None] | None:
        progress = self._progress
        return None if progress is None else lambda step: progress(name, step, steps)


def _mean(values: Tensor) -> float | None:
    mean = float(values.nanmean())
    return None if math.isnan(mean) else mean
