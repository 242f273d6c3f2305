"""Skill walks: skills asked for one after the other, along the trajectory graph."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.metrics import Form, Metric, metrics_of
from hoigym.evaluation.quantities import Quantities, Snapshot
from hoigym.evaluation.report import Cell, wilson_interval
from hoigym.evaluation.rules import Tracker
from hoigym.evaluation.tables import EvaluationSettings, Progress
from hoigym.evaluation.trials import (
    Policy,
    SimulatedTrials,
    batches,
    draw_rows,
    fair_starts,
    reference_statistic,
    seed_of,
)
from hoigym.motions.graph import TrajectoryGraph
from hoigym.motions.graph_build import link_library, published_settings


class SkillWalk:
    """N trials in which a policy is asked for a new skill every few seconds.

    A walk begins on a frame of the reference. After each leg it follows a random link of the trajectory graph, from
    the frame where the reference of its skill would be by then, and asks for the skill of the linked clip; without
    a link it stays with its skill. A leg is a success where the metric of its skill holds over it, with the rules
    for switched trials from the second leg on.

    Args:
        env: N rows, made with `trial_config`.
        policy: what acts.
        graph: of the environment's clips; its skills must have metrics.
        legs: number of skills in a walk.
        seconds: length of a leg [s].

    Raises UserError for a skill without a metric of that form, and GraphError for a graph of other clips.
    """

    def __init__(
        self,
        env: HOIVectorEnv,
        policy: Policy,
        graph: TrajectoryGraph,
        legs: int,
        seconds: float,
        form: Form = "corrected",
    ):
        graph.require(env.library)
        self._env, self._policy, self._graph = env, policy, graph
        self._legs, self._steps = legs, max(1, round(seconds * env.library.fps))
        self._form: Form = form
        skills = env.library.clip_skill.unique().tolist()
        self._metrics = {metric.skill: metric for metric in metrics_of(env.library.skeleton.name, skills)}
        for skill in skills:
            if skill not in self._metrics:
                raise UserError(f"no metric for skill {skill}, which a walk may come to")
        for metric in self._metrics.values():
            metric.rules(form)

    @property
    def steps(self) -> int:
        """Control steps of a walk."""
        return self._legs * self._steps

    def run(self, rows: Tensor, seed: int, on_step: Callable[[int], None] | None = None) -> tuple[Tensor, Tensor]:
        """Walks from library rows (N,).

        Returns success (legs, N) bool and the skill ids that were asked for (legs, N).
        """
        env, library = self._env, self._env.library
        generator = torch.Generator(library.device).manual_seed(seed)
        clip = library.frame_clip[rows]
        frame = rows - library.clip_start[clip]
        trials = SimulatedTrials(env, self._policy, rows, self.steps, seed)
        snapshots = trials.snapshots()
        before = next(snapshots)
        success, asked = [], []
        for leg in range(self._legs):
            if leg > 0:
                clip, frame = self._follow_link(clip, frame, generator)
                env.skill.copy_(library.clip_skill[clip])
            told = None if on_step is None else self._offset(on_step, leg)
            before, passed = self._judge(before, snapshots, library.clip_skill[clip], leg > 0, told)
            success.append(passed)
            asked.append(library.clip_skill[clip])
            frame = frame + self._steps
        return torch.stack(success), torch.stack(asked)

    def _follow_link(self, clip: Tensor, frame: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        links = self._graph.sample(clip, frame, generator)
        linked = links.similarity > 0
        return torch.where(linked, links.clip, clip), torch.where(linked, links.frame, frame)

    def _judge(
        self,
        before: Snapshot,
        snapshots: Iterator[Snapshot],
        skill: Tensor,
        switched: bool,
        on_step: Callable[[int], None] | None,
    ) -> tuple[Snapshot, Tensor]:
        """One leg; the last snapshot, and the rows that passed the metric of their skill."""
        trackers = {number: self._watch(metric, switched) for number, metric in self._metrics.items()}
        last = before
        for step in range(self._steps + 1):
            last = next(snapshots) if step else before
            quantities = Quantities(last, self._env.library.skeleton)
            for tracker in (tracker for group in trackers.values() for tracker in group):
                tracker.update(quantities, last.active, step)
            if on_step is not None:
                on_step(step)
        passed = torch.zeros_like(last.active)
        for number, group in trackers.items():
            holds = torch.stack([tracker.passed() for tracker in group]).all(0)
            passed |= holds & (skill == number)
        return last, passed & ~last.lost

    def _watch(self, metric: Metric, switched: bool) -> list[Tracker]:
        env = self._env
        statistic = reference_statistic(env.library, metric)
        rules = metric.rules(self._form, switched)
        return [rule.watch(env.num_envs, env.library.fps, statistic, env.device) for rule in rules]

    def _offset(self, on_step: Callable[[int], None], leg: int) -> Callable[[int], None]:
        return lambda step: on_step(leg * self._steps + step)


# --- Skill walks as cells of a report -------------------------------------------------------------------------------


class WalkCells:
    """A cell for each leg of the walks that settings ask for, and one for whole walks.

    Args:
        env: made with `trial_config`.
        policy: what acts.
        settings: number and length of the legs, trials, seeds, form of the metrics.
        graph_file: trajectory graph of the environment's clips; built here where empty.

    Raises UserError, before anything is simulated, for what `SkillWalk` refuses, and a graph that cannot be read.
    """

    def __init__(self, env: HOIVectorEnv, policy: Policy, settings: EvaluationSettings, graph_file: str):
        graph = TrajectoryGraph.load(graph_file, env.device) if graph_file else _build(env)
        self._env, self._settings = env, settings
        self._walk = SkillWalk(env, policy, graph, settings.walk, settings.leg, settings.metric)

    def run(self, progress: Progress | None = None) -> list[Cell]:
        """Walks from frames on which trials of a skill start, every clip as often as another."""
        library, settings = self._env.library, self._settings
        metrics = metrics_of(library.skeleton.name, sorted(set(library.clip_skill.tolist())))
        starts = torch.cat([fair_starts(library, metric, settings.metric)[0] for metric in metrics])
        told = None if progress is None else lambda step: progress("skill walk", step, self._walk.steps)
        done = []
        for seed in settings.seeds:
            for batch, wanted in enumerate(batches(settings.trials // len(settings.seeds), self._env.num_envs)):
                number = seed_of(seed, "walk", settings.walk, settings.leg, batch)
                rows = draw_rows(library, starts, self._env.num_envs, number)
                done.append(self._walk.run(rows, number, told)[0][:, :wanted])
        success = torch.cat(done, dim=1)
        named = {f"leg_{leg}": passed for leg, passed in enumerate(success, start=1)}
        return [_cell(name, passed) for name, passed in {**named, "whole_walk": success.all(0)}.items()]


def _build(env: HOIVectorEnv) -> TrajectoryGraph:
    return link_library(env.library, published_settings(env.library.skeleton.name))


def _cell(name: str, passed: Tensor) -> Cell:
    successes, trials = int(passed.sum()), len(passed)
    low, high = wilson_interval(successes, trials)
    return Cell(
        kind="walk",
        skill=name,
        start_skill="",
        trials=trials,
        successes=successes,
        low=low,
        high=high,
        lost=0,
        reward=None,
        accuracy=None,
        body_error=None,
        object_error=None,
        contact_error=None,
        published={},
    )
