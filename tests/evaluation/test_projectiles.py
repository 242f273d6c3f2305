"""Boxes thrown in the middle of a trial."""

import collections

import pytest
import torch

from hoigym.envs.config import EnvConfig
from hoigym.envs.make import task_config
from hoigym.envs.perturbation import ThrowConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.disturbance import Projectiles, described, with_projectiles
from hoigym.evaluation.evaluator import evaluate, trial_config
from hoigym.evaluation.report import markdown
from hoigym.evaluation.tables import EvaluationSettings, own_table
from hoigym.evaluation.trials import SimulatedTrials
from hoigym.motions.library import MotionLibrary
from hoigym.sim.scene.config import ProjectileConfig, SceneConfig
from tests.envs.conftest import standing_clip

ROWS = 12
STEPS = 100
STANDING = MotionLibrary([standing_clip("still", 13, frames=90)])


def fallen(density: float, seed: int = 0, throws: bool = True) -> torch.Tensor:
    """Which of the rows, told to stand still, lie on the floor after boxes came at 15 m/s, (N,)."""
    boxes = ProjectileConfig(count=1, density=density)
    config = EnvConfig(
        num_envs=ROWS,
        threads=1,
        scene=SceneConfig(hands="locked", projectiles=boxes),
        throw=ThrowConfig(speed=(15.0, 15.0), spread=0.0),
    )
    env = HOIVectorEnv(trial_config(config, ROWS), STANDING)
    rows = torch.full((ROWS,), 2)
    hits = Projectiles(every=0.5) if throws else None
    trials = SimulatedTrials(env, lambda obs: env.reference_actions(), rows, STEPS, seed, disturbance=hits)
    (snapshot,) = collections.deque(trials.snapshots(), maxlen=1)
    assert not snapshot.lost.any()
    env.close()
    return snapshot.body_pos[:, 0, 2] < 0.75


def test_when():
    """As released: after 60 control steps, and every 61 from then on."""
    assert [step for step in range(200) if Projectiles().due(step, 60.0)] == [60, 121, 182]
    assert [step for step in range(70) if Projectiles().due(step, 30.0)] == [29, 59]


@pytest.mark.slow
def test_the_heavier_the_box_the_more_fall():
    counts = [int(fallen(density).sum()) for density in (1.0, 100.0, 1000.0)]
    assert int(fallen(1000.0, throws=False).sum()) == 0
    assert counts[0] == 0
    assert counts[0] <= counts[1] <= counts[2]
    assert counts[2] >= 0.75 * ROWS


def test_an_environment_gets_a_box_where_it_has_none():
    assert with_projectiles(EnvConfig()).scene.projectiles == ProjectileConfig(count=1)
    armed = EnvConfig(scene=SceneConfig(projectiles=ProjectileConfig(count=3, size=0.2)))
    assert with_projectiles(armed) == armed
    text = described(with_projectiles(EnvConfig()))
    assert text == "projectiles: boxes of 0.3 m and 27 kg at 30 to 40 m/s, spread 0.1, every 1.02 s"


@pytest.fixture(scope="module")
def config() -> EnvConfig:
    return task_config("ballplay", num_envs=4, threads=1, scene={"hands": "locked"})


def test_cells_stand_beside_the_unperturbed_ones(config: EnvConfig):
    table = own_table("mocap", ("dribble_forward",), ())
    settings = EvaluationSettings(trials=4, horizon=1.3, projectiles="auto")

    def follow(env: HOIVectorEnv):
        return lambda obs: env.reference_actions()

    struck, again = (evaluate(config, table, settings, follow, checkpoint="reference") for _ in range(2))
    assert [cell.kind for cell in struck.cells] == ["SR", "eNSR", "projectiles"]
    assert struck.cells[2].body_error != struck.cells[0].body_error
    assert struck == again
    assert any("27 kg at 30 to 40 m/s" in note for note in struck.notes)
    text = markdown(struck)
    assert "| projectiles |" in text
