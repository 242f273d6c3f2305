"""Trials in the simulation: one life each, judged by what the engine says."""

from collections.abc import Iterator

import pytest
import torch

from hoigym.envs.make import task_config
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.evaluation.evaluator import trial_config
from hoigym.evaluation.metrics import metric_named
from hoigym.evaluation.quantities import Snapshot
from hoigym.evaluation.trials import (
    Outcome,
    Policy,
    SimulatedTrials,
    fair_starts,
    judge,
    reference_statistic,
    start_rows,
)

ROWS = 8


@pytest.fixture(scope="module")
def env() -> Iterator[HOIVectorEnv]:
    """The bundled ball clips with trials that nothing ends."""
    env = HOIVectorEnv(trial_config(task_config("ballplay", threads=1, scene={"hands": "locked"}), ROWS))
    yield env
    env.close()


def trials(env: HOIVectorEnv, policy: Policy, skill: str, steps: int) -> Outcome:
    metric = metric_named("mocap", skill)
    rows, _ = fair_starts(env.library, metric, "corrected")
    rows = rows[torch.linspace(0, len(rows) - 1, ROWS).long()]
    source = SimulatedTrials(env, policy, rows, steps, seed=0)
    statistic = reference_statistic(env.library, metric)
    return judge(source.snapshots(), metric, "corrected", skeleton=env.library.skeleton, fps=60.0, statistic=statistic)


@pytest.mark.slow
@pytest.mark.parametrize("skill", ["dribble_forward", "dribble_on_the_spot", "pickup"])
def test_a_body_that_holds_its_pose_never_succeeds(env: HOIVectorEnv, skill: str):
    """Drives keep the pose of the start, so that the hands stay and the ball does what physics makes of it."""
    held: list[torch.Tensor] = []

    def hold(obs: torch.Tensor) -> torch.Tensor:
        if not held:
            held.append((env.sim.state.joint_rot / torch.pi).flatten(1).clone())
        return held[0]

    assert trials(env, hold, skill, steps=180).success.tolist() == [False] * ROWS


def test_a_trial_has_one_life(env: HOIVectorEnv, monkeypatch: pytest.MonkeyPatch):
    """A world that blows up ends its trial; what the environment starts in its place counts for nothing."""
    advance, blown = env.sim.advance, 3

    def blow_up() -> None:
        advance()
        env.sim.state.diverged[2] = int(env.progress[2]) + 1 == blown

    monkeypatch.setattr(env.sim, "advance", blow_up)
    rows = start_rows(env.library, metric_named("mocap", "dribble_forward"))[:ROWS]
    # Masks are new tensors in each snapshot; only they are looked at.
    seen: list[Snapshot] = list(SimulatedTrials(env, lambda obs: env.reference_actions(), rows, 6, seed=0).snapshots())
    assert [bool(snapshot.active[2]) for snapshot in seen] == [True] * blown + [False] * (7 - blown)
    assert [bool(snapshot.lost[2]) for snapshot in seen] == [False] * blown + [True] * (7 - blown)
    assert all(snapshot.active[:2].all() and snapshot.active[3:].all() for snapshot in seen)


def test_trials_start_on_their_rows_and_go_on_past_the_clip(env: HOIVectorEnv):
    metric = metric_named("mocap", "dribble_on_the_spot")
    last = int(start_rows(env.library, metric)[-1])
    rows = torch.full((ROWS,), last)
    source = SimulatedTrials(env, lambda obs: env.reference_actions(), rows, 4, seed=0)
    snapshots = source.snapshots()
    first = next(snapshots)
    torch.testing.assert_close(first.object_pos, env.library.reference(rows).object_pos)
    assert not first.referenced.any()
    later = [(bool(s.active.all()), bool(s.referenced.all())) for s in snapshots]
    assert later == [(True, True), (True, False), (True, False), (True, False)]


def test_trials_to_the_end_of_the_clip(env: HOIVectorEnv):
    metric = metric_named("mocap", "dribble_on_the_spot")
    rows = start_rows(env.library, metric)[-ROWS:]
    source = SimulatedTrials(env, lambda obs: env.reference_actions(), rows, 9, seed=0, to_clip_end=True)
    alive = [int(s.active.sum()) for s in source.snapshots()]
    assert alive == [8, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_the_reward_is_a_share_of_the_best(monkeypatch: pytest.MonkeyPatch):
    """DeepMimic's sum of four terms, three of them of the body, is brought to 0 .. 1."""
    config = task_config("ballplay", threads=1, scene={"hands": "locked"}, reward={"kind": "deepmimic", "weights": {
        "p": 40.0, "r": 2.0, "rv": 0.1, "smooth": 0.0, "op": 40.0, "ig": 0.0, "cg_body": 0.0, "cg_object": 0.0,
    }})  # fmt: skip
    env = HOIVectorEnv(trial_config(config, 2))
    rows = start_rows(env.library, metric_named("mocap", "dribble_forward"))[:2]
    source = SimulatedTrials(env, lambda obs: env.reference_actions(), rows, 2, seed=0)
    snapshots = source.snapshots()
    next(snapshots)
    share = next(snapshots).reward
    assert (share > 0.5).all()
    assert (share <= 1.0).all()
    env.close()
