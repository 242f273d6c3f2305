"""Evaluations as a whole."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig, StartConfig
from hoigym.envs.make import task_config
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.evaluator import evaluate, plan_jobs, trial_config
from hoigym.evaluation.metrics import load_metrics
from hoigym.evaluation.report import Report, draw_report, markdown, write_report
from hoigym.evaluation.tables import EvaluationSettings, load_table, own_table
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary

QUICK = EvaluationSettings(trials=6, seeds=(0, 1), horizon=0.2, rows=2)


@pytest.fixture(scope="module")
def config() -> EnvConfig:
    return task_config("ballplay", threads=1, scene={"hands": "locked"})


def follow(env: HOIVectorEnv):
    """Plays the reference's own drive targets."""

    def act(obs: Tensor) -> Tensor:
        return env.reference_actions()

    return act


def run(config: EnvConfig, settings: EvaluationSettings = QUICK, skills=("dribble_forward",), switches=()) -> Report:
    return evaluate(config, own_table("mocap", skills, switches), settings, follow, checkpoint="reference")


@pytest.fixture(scope="module")
def report(config: EnvConfig) -> Report:
    return run(config, switches=("dribble_forward:dribble_on_the_spot",))


def test_what_is_counted(report: Report):
    assert [(cell.kind, cell.start_skill, cell.skill) for cell in report.cells] == [
        ("SR", "dribble_forward", "dribble_forward"),
        ("TSR", "dribble_forward", "dribble_on_the_spot"),
        ("eNSR", "dribble_forward", "dribble_forward"),
    ]
    assert {cell.trials for cell in report.cells} == {6}
    plain, switched, noisy = report.cells
    assert plain.body_error is not None
    assert noisy.body_error is not None
    assert plain.body_error < noisy.body_error
    assert plain.reward is not None
    assert 0.3 < plain.reward <= 1.0
    assert switched.reward is None
    assert switched.accuracy is None


def test_the_same_seed_gives_the_same_table(config: EnvConfig, report: Report):
    again = run(config, switches=("dribble_forward:dribble_on_the_spot",))
    assert again == report
    assert markdown(again) == markdown(report)
    other = run(config, replace(QUICK, seeds=(2, 3)))
    assert other.cells[0].body_error != report.cells[0].body_error


def test_a_horizon_below_a_step_is_one_step(config: EnvConfig):
    told: list[int] = []
    table = own_table("mocap", ("dribble_forward",), ())
    settings = replace(QUICK, seeds=(0,), horizon=0.005)
    evaluate(config, table, settings, follow, checkpoint="", progress=lambda name, step, steps: told.append(steps))
    assert set(told) == {1}


def test_a_cell_does_not_depend_on_its_neighbours(config: EnvConfig, report: Report):
    alone = run(config)
    assert alone.cells == (report.cells[0], report.cells[2])


def test_a_policy_sees_the_skill_it_is_asked_for(config: EnvConfig):
    labels: set[int] = set()

    def watching(env: HOIVectorEnv):
        def act(obs: Tensor) -> Tensor:
            labels.update(obs[:, -64:].argmax(1).tolist())
            return env.reference_actions()

        return act

    table = own_table("mocap", (), ("dribble_forward:pickup",))
    evaluate(config, table, replace(QUICK, horizon=0.05), watching, checkpoint="reference")
    assert labels == {1}


def test_trials_are_ended_by_nothing_of_the_training(config: EnvConfig):
    training = replace(
        config,
        start=replace(config.start, clip=1, frame=5, switch=0.5, graph_file="g.npz", adaptive=1.0, noise=0.1),
        episode=replace(config.episode, length=9, max_root_error=0.1, max_object_error=0.1),
    )
    trial = trial_config(training, 3)
    assert trial == trial_config(config, 3)
    assert trial.episode.fall_height is None
    assert trial_config(config, 3, StartConfig(noise=1.0)).start.noise == 1.0


def test_what_cannot_be_evaluated(config: EnvConfig):
    with pytest.raises(UserError, match="table 'Locomotion' is for locomotion policies; run/x is one for ballplay"):
        evaluate(config, load_table("locomotion", "mocap"), QUICK, follow, checkpoint="run/x")
    with pytest.raises(UserError, match="nothing to evaluate: layup: the policy's clips do not have it"):
        run(config, skills=("layup",))
    with pytest.raises(UserError, match="trials 5: expected a multiple of the 2 seeds"):
        replace(QUICK, trials=5)
    with pytest.raises(UserError, match="trials 0: expected 1 or more"):
        replace(QUICK, trials=0)
    with pytest.raises(UserError, match="different"):
        replace(QUICK, seeds=(1, 1))


def test_what_is_named_twice_is_evaluated_once():
    table = own_table("mocap", ("layup", "shot", "layup"), ("layup:shot", "layup:shot"))
    assert [metric.name for metric in table.skills or ()] == ["layup", "shot"]
    assert len(table.transitions) == 1


def library_of(demo_clips: dict[str, Clip], *skills: int) -> MotionLibrary:
    """Dribbles that pass for other skills."""
    clip = demo_clips["013_demo_dribble_walk_3"]
    return MotionLibrary([replace(clip, name=f"{skill:03d}_a_1", skill=skill) for skill in skills])


def test_what_has_no_metric_is_named_before_anything_is_simulated(demo_clips: dict[str, Clip]):
    """A set shot has none of the published form, and skill 50 none at all."""
    library = library_of(demo_clips, 6, 13, 50)
    jobs, missing = plan_jobs(own_table("mocap", (), ()), library, "published")
    assert {job.metric.name for job in jobs} == {"dribble_forward"}
    assert missing == ["skill 50 of the clips: there is no metric", "set shot: its metric has no published form"]
    assert len(plan_jobs(own_table("mocap", (), ()), library, "corrected")[0]) == 2 * len(jobs)
    with pytest.raises(UserError, match="dribble forward → set shot: the metric of set shot has no published form"):
        plan_jobs(own_table("mocap", (), ("dribble_forward:set_shot",)), library, "published")
    with pytest.raises(UserError, match="nothing to evaluate: skill 50 of the clips: there is no metric"):
        plan_jobs(own_table("mocap", (), ()), library_of(demo_clips, 50), "corrected")


def test_a_walk_that_cannot_be_judged_is_told_before_anything_is_simulated(
    config: EnvConfig, monkeypatch: pytest.MonkeyPatch
):
    mocap = load_metrics("mocap")
    unpublished = {"pickup": replace(mocap["pickup"], published=None)}
    monkeypatch.setattr("hoigym.evaluation.metrics.load_metrics", lambda skeleton: {**mocap, **unpublished})
    told: list[str] = []
    settings = EvaluationSettings(trials=2, horizon=0.02, walk=2, metric="published")
    with pytest.raises(UserError, match="metric pickup has no published form"):
        evaluate(
            config,
            own_table("mocap", ("dribble_forward",), ()),
            settings,
            follow,
            checkpoint="",
            progress=lambda name, step, steps: told.append(name),
        )
    assert told == []


def test_a_table_says_what_the_clips_lack(config: EnvConfig):
    found = evaluate(config, load_table("ballplay", "mocap"), QUICK, follow, checkpoint="reference")
    assert [(cell.kind, cell.skill) for cell in found.cells] == [("SR", "dribble_forward"), ("eNSR", "dribble_forward")]
    assert found.cells[0].published["SR"] == 97.7
    assert "layup: the policy's clips do not have it" in found.notes
    assert "97.7 / 60.8 / 0.37" in markdown(found)


def test_files(report: Report, tmp_path: Path):
    paths = write_report(report, tmp_path / "new")
    draw_report(report, tmp_path / "new" / "report.png")
    values = json.loads(paths[0].read_text())
    assert values["cells"][0]["rate"] == report.cells[0].successes / 6
    assert values["seeds"] == [0, 1]
    text = paths[1].read_text()
    assert "dribble forward → dribble on the spot" in text
    assert f"[{100 * report.cells[0].low:.1f}, {100 * report.cells[0].high:.1f}]" in text
    assert (tmp_path / "new" / "report.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.json", "report.md", "report.png"]


def test_progress_is_told(config: EnvConfig):
    told: list[tuple[str, int, int]] = []
    table = own_table("mocap", ("dribble_forward",), ())
    evaluate(config, table, replace(QUICK, seeds=(0,)), follow, checkpoint="", progress=lambda *what: told.append(what))
    assert told[0] == ("dribble forward SR", 0, 12)
    assert ("dribble forward eNSR", 12, 12) in told
    assert torch.tensor([step for _, step, _ in told]).max() == 12


def test_walks_and_pushes_are_further_cells(config: EnvConfig, tmp_path: Path):
    settings = EvaluationSettings(trials=3, horizon=0.1, rows=2, walk=2, leg=0.1, push=2.0)
    found = run(config, settings)
    assert [(cell.kind, cell.skill) for cell in found.cells] == [
        ("SR", "dribble_forward"),
        ("pushed", "dribble_forward"),
        ("walk", "leg_1"),
        ("walk", "leg_2"),
        ("walk", "whole_walk"),
        ("eNSR", "dribble_forward"),
    ]
    assert {cell.trials for cell in found.cells} == {3}
    assert found.notes == ("pushed: the body gains 2 m/s every 1 s", "skill walk: 2 skills, 0.1 s each")
    text = markdown(found)
    assert "| whole walk | 3 | 0.0 [0.0, 56.1] |" in text
    assert "| pushed |" in text.splitlines()[4]
    draw_report(found, tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 5000
    with pytest.raises(UserError, match="push -1"):
        EvaluationSettings(push=-1.0)


def test_objects_at_random_places(config: EnvConfig, tmp_path: Path):
    """The published test of pick-up: the reference says nothing then, and trials begin before anyone has bent down."""
    seen: list[torch.Tensor] = []

    def watching(env: HOIVectorEnv):
        def act(obs: Tensor) -> Tensor:
            if env.config.start.scatter:
                beside = env.sim.state.object_pos[:, 0, :2] - env.sim.state.root_pos[:, :2]
                seen.append(torch.stack((beside.norm(dim=1), env.start_frame.float())))
            return env.reference_actions()

        return act

    table = load_table("pickup", "mocap")
    settings = EvaluationSettings(trials=8, horizon=0.02)
    found = evaluate(config, table, settings, watching, checkpoint="x")
    assert [cell.kind for cell in found.cells] == ["SR", "eNSR", "scattered"]
    assert found.cells[2].reward is None
    assert found.cells[2].body_error is None
    assert found.cells[0].reward is not None
    away, frame = seen[0]
    assert ((away > 0.45) & (away < 3.05)).all()
    assert (away - away.mean()).abs().max() > 0.3
    assert len(frame.unique()) == 1
    assert frame[0] < 30
    text = markdown(found)
    assert "| random place |" in text
    assert "[0.0, 32.4] (published 85.68)" in text
    assert "- random place: objects 0.5 to 3 m from the root" in text
    assert "published SR" not in text
    draw_report(found, tmp_path / "report.png")
    settings = replace(settings, scatter=True)
    kinds = [cell.kind for cell in run(config, settings).cells]
    assert kinds == ["SR", "eNSR", "scattered"]
