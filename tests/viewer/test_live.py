"""A policy that is steered."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from hoigym.envs.config import EnvConfig, EpisodeConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from hoigym.sim.scene.config import ProjectileConfig, SceneConfig
from hoigym.viewer.base import NullViewer
from hoigym.viewer.controls import Controls
from hoigym.viewer.rollout import PUSH_SPEED, SPACING, LiveRollout, side_by_side


def still(observation: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(observation), 156)


@pytest.fixture
def env(demo_clips: dict[str, Clip]) -> Iterator[HOIVectorEnv]:
    """Two rows on the demo clips, one box to throw."""
    config = EnvConfig(
        num_envs=2,
        threads=1,
        scene=SceneConfig(hands="locked", projectiles=ProjectileConfig(count=1)),
        episode=EpisodeConfig(length=1000, stop_at_clip_end=False, fall_height=None),
    )
    made = HOIVectorEnv(config, MotionLibrary(list(demo_clips.values())))
    yield made
    made.close()


def rollout_of(env: HOIVectorEnv, rows: int = 1) -> LiveRollout:
    return LiveRollout(env, still, Controls(), rows)


def do(rollout: LiveRollout, label: str) -> None:
    """Asks for an action by its name."""
    (action,) = (action for action in rollout.actions if action.label == label)
    rollout.controls.ask(action.do)


def test_only_skills_of_the_clips_are_enabled(env: HOIVectorEnv):
    enabled = {action.skill: action.enabled for action in rollout_of(env).actions if action.skill is not None}
    known = set(env.library.clip_skill.tolist())
    assert {skill for skill, can in enabled.items() if can} == known == {0, 1, 10, 13, 14}
    assert not enabled[31]
    assert not enabled[9]


def test_a_chosen_skill_is_asked_of_every_row_until_the_episode_ends(env: HOIVectorEnv):
    rollout = rollout_of(env)
    do(rollout, "get up")
    viewer = NullViewer(limit=4)
    rollout.run(viewer)
    assert env.skill.tolist() == [0, 0]
    assert [moments[0].skill_id for moments in viewer.shown[1:]] == [0, 0, 0]
    assert viewer.shown[-1][0].skill == "get up"
    env.reset()
    torch.testing.assert_close(env.skill, env.library.clip_skill[env.clip])


def test_the_skill_is_in_the_next_observation(env: HOIVectorEnv):
    seen = []

    def watching(observation: torch.Tensor) -> torch.Tensor:
        seen.append(observation.clone())
        return still(observation)

    rollout = LiveRollout(env, watching, Controls())
    do(rollout, "get up")
    rollout.run(NullViewer(limit=4))
    one_hot = torch.zeros(64)
    one_hot[0] = 1.0
    torch.testing.assert_close(seen[-1][0, -64:], one_hot)


def test_a_pause_stops_the_steps_and_a_single_step_makes_one(env: HOIVectorEnv):
    rollout = rollout_of(env)
    idles = []

    class Pausing(NullViewer):
        def idle(self) -> None:
            idles.append(rollout.steps)
            if len(idles) in (2, 4):
                do(rollout, "single step")

        @property
        def closed(self) -> bool:
            return len(idles) >= 5

    do(rollout, "pause / go on")
    rollout.run(Pausing())
    assert idles == [0, 0, 1, 1, 2]


def test_a_push_adds_its_speed_over_the_ground(env: HOIVectorEnv):
    rollout = rollout_of(env)
    rollout.run(NullViewer(limit=1))
    before = env.sim.state.root_lin_vel.clone()
    rollout.push()
    gained = env.sim.state.root_lin_vel - before
    torch.testing.assert_close(gained[:, :2].norm(dim=1), torch.full((2,), PUSH_SPEED))
    torch.testing.assert_close(gained[:, 2], torch.zeros(2))


def test_a_box_is_thrown_where_there_is_one(env: HOIVectorEnv, demo_clips: dict[str, Clip]):
    rollout = rollout_of(env)
    do(rollout, "throw a box")
    viewer = NullViewer(limit=4)
    rollout.run(viewer)
    assert viewer.shown[0][0].pose.projectile_pos[0, 2] > 100.0
    pose = viewer.shown[-1][0].pose
    assert pose.projectile_pos.shape == (1, 3)
    assert pose.projectile_pos[0, 2] < 5.0
    config = EnvConfig(num_envs=1, threads=1)
    without = HOIVectorEnv(config, MotionLibrary(list(demo_clips.values())))
    assert "throw a box" not in [action.label for action in rollout_of(without).actions]
    without.close()


def test_a_reset_starts_over_at_once(env: HOIVectorEnv):
    rollout = rollout_of(env)
    rollout.run(NullViewer(limit=6))
    assert env.progress.tolist() == [5, 5]
    do(rollout, "reset")
    viewer = NullViewer(limit=3)
    rollout.run(viewer)
    assert rollout.resets == 3
    assert viewer.shown[0][0].reward is None


def test_rows_stand_side_by_side_when_their_episodes_begin(env: HOIVectorEnv):
    rollout = rollout_of(env, rows=2)
    viewer = NullViewer(limit=3)
    rollout.run(viewer)
    starts = np.array([moment.pose.body_pos[0, :2] for moment in viewer.shown[0]])
    np.testing.assert_allclose(starts, side_by_side(2), atol=1e-5)
    assert np.linalg.norm(starts[1] - starts[0]) == pytest.approx(SPACING)
    for row, moment in enumerate(viewer.shown[-1]):
        moved = moment.pose.body_pos - env.sim.state.body_pos[row].numpy()
        np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-5)


def test_one_row_stays_where_it_is(env: HOIVectorEnv):
    viewer = NullViewer(limit=2)
    rollout_of(env).run(viewer)
    np.testing.assert_allclose(viewer.shown[-1][0].pose.body_pos, env.sim.state.body_pos[0].numpy(), atol=1e-6)


def test_a_square_of_places_is_around_the_origin():
    places = side_by_side(5)
    assert places.shape == (5, 2)
    np.testing.assert_allclose(places.mean(axis=0), 0.0, atol=1e-12)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)[np.triu_indices(5, 1)]
    assert gaps.min() == pytest.approx(SPACING)
