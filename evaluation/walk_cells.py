"""Skill walks as cells of a report."""

import torch
from torch import Tensor

from envs.vector_env import HOIVectorEnv
from evaluation.draws import batches, draw_rows, seed_of
from evaluation.metrics import metrics_of
from evaluation.reference import fair_starts
from evaluation.report import Cell
from evaluation.settings import EvaluationSettings, Progress
from evaluation.simulated import Policy
from evaluation.statistics import wilson_interval
from evaluation.walk import SkillWalk
from motions.graph import TrajectoryGraph
from motions.graph_build import link_library, published_settings


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
