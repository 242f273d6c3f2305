"""Which cells an evaluation has, and the environments that they need."""

from dataclasses import dataclass, replace

from envs.config import EnvConfig, EpisodeConfig, StartConfig
from evaluation.metrics import Form, Metric, metrics_of
from evaluation.projectiles import with_projectiles
from evaluation.settings import EvaluationSettings
from evaluation.tables import Table
from motions.errors import UserError
from motions.library import MotionLibrary

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
