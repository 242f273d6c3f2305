"""Blows in the middle of a trial."""

from collections.abc import Callable

import pytest
import torch

from hoigym.envs.make import task_config
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.disturbance import Pushes
from hoigym.evaluation.evaluator import trial_config
from hoigym.evaluation.metrics import metric_named
from hoigym.evaluation.trials import SimulatedTrials, start_rows


@pytest.fixture
def make_env() -> Callable[[], HOIVectorEnv]:
    return lambda: HOIVectorEnv(trial_config(task_config("ballplay", threads=1, scene={"hands": "locked"}), 3))


def test_when():
    pushes = Pushes(1.0, every=0.5)
    assert [step for step in range(100) if pushes.due(step, 60.0)] == [30, 60, 90]


def test_only_the_body_gains_speed(make_env: Callable[[], HOIVectorEnv]):
    env = make_env()
    env.reset(seed=0, options={"start": start_rows(env.library, metric_named("mocap", "dribble_forward"))[:3]})
    env.step(env.reference_actions())
    state = env.sim.state
    names = ("root_pos", "root_lin_vel", "root_ang_vel", "joint_rot", "joint_vel", "object_lin_vel", "body_lin_vel")
    before = {name: getattr(state, name).clone() for name in names}
    Pushes(2.0).apply(env, torch.Generator().manual_seed(0))
    gained = state.root_lin_vel - before["root_lin_vel"]
    torch.testing.assert_close(gained.norm(dim=1), torch.full((3,), 2.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(gained[:, 2], torch.zeros(3), atol=1e-5, rtol=0)
    assert len({tuple(row) for row in gained.round(decimals=3).tolist()}) == 3
    every_body = (state.body_lin_vel - before["body_lin_vel"]) - gained[:, None]
    assert every_body.abs().max() < 1e-3
    for name in ("root_pos", "root_ang_vel", "joint_rot", "joint_vel", "object_lin_vel"):
        torch.testing.assert_close(getattr(state, name), before[name], atol=1e-4, rtol=1e-4)
    env.close()


def test_trials_are_pushed(make_env: Callable[[], HOIVectorEnv]):
    env = make_env()
    rows = start_rows(env.library, metric_named("mocap", "dribble_forward"))[:3]

    def speeds(pushes: Pushes | None) -> torch.Tensor:
        trials = SimulatedTrials(env, lambda obs: env.reference_actions(), rows, 8, seed=0, disturbance=pushes)
        return torch.stack([snapshot.root_lin_vel.clone() for snapshot in trials.snapshots()])

    calm, pushed = speeds(None), speeds(Pushes(3.0, every=0.1))
    assert torch.equal(calm[:7], pushed[:7])
    assert ((pushed[7] - calm[7]).norm(dim=1) > 1.0).all()
    env.close()
