"""Skill walks along the trajectory graph."""

from collections.abc import Iterator

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.envs.make import task_config
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.evaluator import trial_config
from hoigym.evaluation.metrics import metric_named, metrics_of
from hoigym.evaluation.tables import EvaluationSettings
from hoigym.evaluation.trials import fair_starts, start_rows
from hoigym.evaluation.walk import SkillWalk, WalkCells
from hoigym.motions.graph import TrajectoryGraph
from hoigym.motions.graph_build import link_library, published_settings

ROWS, LEGS = 4, 3


@pytest.fixture(scope="module")
def env() -> Iterator[HOIVectorEnv]:
    config = trial_config(task_config("ballplay", threads=1, scene={"hands": "locked"}), ROWS)
    env = HOIVectorEnv(config)
    yield env
    env.close()


@pytest.fixture(scope="module")
def graph(env: HOIVectorEnv) -> TrajectoryGraph:
    return link_library(env.library, published_settings("mocap"))


def walk(env: HOIVectorEnv, graph: TrajectoryGraph, seed: int = 0):
    seen: list[list[int]] = []

    def act(obs: torch.Tensor) -> torch.Tensor:
        seen.append(obs[:, -64:].argmax(1).tolist())
        return env.reference_actions()

    rows = start_rows(env.library, metric_named("mocap", "dribble_forward"))[:ROWS]
    success, asked = SkillWalk(env, act, graph, LEGS, seconds=0.2).run(rows, seed)
    return success, asked, seen


def test_every_leg_asks_for_a_skill_that_the_graph_leads_to(env: HOIVectorEnv, graph: TrajectoryGraph):
    success, asked, seen = walk(env, graph)
    assert success.shape == asked.shape == (LEGS, ROWS)
    assert asked[0].tolist() == [13] * ROWS
    assert (asked[1:] != asked[:-1]).any()
    assert len(seen) == LEGS * 12
    assert seen[11] == asked[0].tolist()
    # The label changes for the observation after the first step of the leg.
    assert seen[13] == asked[1].tolist()
    assert seen[25] == asked[2].tolist()


def test_the_same_seed_gives_the_same_walk(env: HOIVectorEnv, graph: TrajectoryGraph):
    first, again = walk(env, graph), walk(env, graph)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_a_leg_is_judged_by_the_metric_of_its_skill(env: HOIVectorEnv, graph: TrajectoryGraph):
    """Legs of a fifth of a second hold no round of a dribble and no pick-up: none succeeds."""
    success, _, _ = walk(env, graph)
    assert not success.any()


def test_walks_begin_where_trials_of_a_skill_begin(env: HOIVectorEnv, monkeypatch: pytest.MonkeyPatch):
    """No first leg asks for what lies behind: of a pick-up clip only the frames before the ball is up."""
    begun: list[torch.Tensor] = []

    def run(walk: SkillWalk, rows: torch.Tensor, seed: int, on_step: object):
        begun.append(rows)
        return torch.ones(2, len(rows), dtype=torch.bool), rows

    monkeypatch.setattr(SkillWalk, "run", run)
    settings = EvaluationSettings(trials=300, walk=2, leg=0.1)
    cells = WalkCells(env, lambda obs: obs, settings, "").run()
    assert [(cell.skill, cell.trials) for cell in cells] == [("leg_1", 300), ("leg_2", 300), ("whole_walk", 300)]
    metrics = metrics_of("mocap", env.library.clip_skill.tolist())
    fair = torch.cat([fair_starts(env.library, metric, "corrected")[0] for metric in metrics])
    rows = torch.cat(begun)
    assert torch.isin(rows, fair).all()
    assert len(env.library.frame_clip[rows].unique()) == env.library.num_clips


def test_a_leg_below_a_step_is_one_step(env: HOIVectorEnv, graph: TrajectoryGraph):
    assert SkillWalk(env, lambda obs: obs, graph, LEGS, seconds=0.001).steps == LEGS


def test_a_graph_of_other_clips_is_refused(env: HOIVectorEnv, graph: TrajectoryGraph, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graph, "content_hash", "other")
    with pytest.raises(UserError, match="trajectory graph"):
        SkillWalk(env, lambda obs: obs, graph, LEGS, seconds=0.2)
