"""Skill walks as cells of a report."""

from collections.abc import Callable

import torch

from envs.vector_env import HOIVectorEnv
from evaluation.draws import batches, draw_rows, seed_of, start_rows
from evaluation.metrics import Form, metrics_of
from evaluation.report import Cell
from evaluation.simulated import Policy
from evaluation.statistics import wilson_interval
from evaluation.walk import SkillWalk
from motions.graph import TrajectoryGraph
from motions.graph_build import link_library, published_settings


def walk_cells(
    env: HOIVectorEnv,
    policy: Policy,
    graph_file: str,
    *,
    legs: int,
    seconds: float,
    trials: int,
    seeds: tuple[int, ...],
    form: Form,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Cell]:
    """A cell for each leg of the walks, and one for whole walks.

    graph_file: trajectory graph of the environment's clips; built here where empty.
    """
    library = env.library
    graph = TrajectoryGraph.load(graph_file, env.device) if graph_file else _build(env)
    walk = SkillWalk(env, policy, graph, legs, seconds, form)
    metrics = metrics_of(library.skeleton.name, sorted(set(library.clip_skill.tolist())))
    starts = torch.cat([start_rows(library, metric) for metric in metrics])
    steps = legs * round(seconds * library.fps)
    done = []
    for seed in seeds:
        for batch, wanted in enumerate(batches(trials // len(seeds), env.num_envs)):
            number = seed_of(seed, "walk", legs, seconds, batch)
            rows = draw_rows(library, starts, env.num_envs, number)
            told = None if progress is None else lambda step: progress("skill walk", step, steps)
            done.append(walk.run(rows, number, told)[0][:, :wanted])
    success = torch.cat(done, dim=1)
    named = {f"leg_{leg + 1}": success[leg] for leg in range(legs)} | {"whole_walk": success.all(0)}
    return [_cell(name, passed) for name, passed in named.items()]


def _build(env: HOIVectorEnv) -> TrajectoryGraph:
    return link_library(env.library, published_settings(env.library.skeleton.name))


def _cell(name: str, passed: torch.Tensor) -> Cell:
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
