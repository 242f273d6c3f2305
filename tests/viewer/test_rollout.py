"""A policy at work as moments."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from hoigym.envs.config import EnvConfig, EpisodeConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from hoigym.rendering.pose import ObjectLook
from hoigym.sim.scene.config import ProjectileConfig, SceneConfig
from hoigym.sim.scene.projectiles import PARKED_ABOVE
from hoigym.viewer.base import NullViewer
from hoigym.viewer.rollout import watch


@pytest.fixture
def env(demo_clips: dict[str, Clip]) -> Iterator[HOIVectorEnv]:
    """Three rows on the demo clips of the mocap skeleton."""
    made = HOIVectorEnv(EnvConfig(num_envs=3, threads=1), MotionLibrary(list(demo_clips.values())))
    yield made
    made.close()


def still(observation: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(observation), 156)


def test_the_first_rows_are_shown_step_by_step(env: HOIVectorEnv):
    viewer = NullViewer()
    steps, reward = watch(env, still, viewer, steps=5, rows=2)
    assert steps == 5
    assert len(viewer.shown) == 5
    assert all(len(moments) == 2 for moments in viewer.shown)
    setup = viewer.setups[0]
    assert (setup.figures, setup.steps, setup.ghost) == (2, 5, False)
    assert setup.dt == pytest.approx(1 / 60)
    last = viewer.shown[-1][1]
    np.testing.assert_allclose(last.pose.body_pos, env.sim.state.body_pos[1].numpy())
    assert last.time == pytest.approx(5 / 60)
    assert last.caption.startswith(env.library.clip_names[int(env.clip[1])])
    assert last.ghost is None
    assert last.reward is not None
    assert set(last.reward_terms)
    assert 0.0 <= reward <= 1.0


def test_touch_is_what_the_engine_reports_of_the_hands(env: HOIVectorEnv):
    viewer = NullViewer()
    watch(env, still, viewer, steps=3, rows=3)
    hands = list(env.scene.skeleton.hands)
    for row, shown in enumerate(viewer.shown[-1]):
        contact = env.sim.state.object_contact[row]
        assert shown.touch == bool(contact[hands].any())
        assert shown.pose.body_touch.tolist() == contact.any(dim=1).tolist()


def test_the_ghost_is_the_reference(env: HOIVectorEnv):
    viewer = NullViewer()
    watch(env, still, viewer, steps=4, ghost=True)
    ghost = viewer.shown[-1][0].ghost
    assert ghost is not None
    reference = env.reference()
    np.testing.assert_allclose(ghost.body_pos, reference.body_pos[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(ghost.object_pos, reference.object_pos[0].numpy())
    assert viewer.setups[0].ghost


def test_boxes_are_thrown_and_shown(demo_clips: dict[str, Clip]):
    boxes = ProjectileConfig(count=2, size=0.2)
    episode = EpisodeConfig(length=200, stop_at_clip_end=False)
    scene = SceneConfig(hands="locked", projectiles=boxes)
    config = EnvConfig(num_envs=2, threads=1, scene=scene, episode=episode)
    made = HOIVectorEnv(config, MotionLibrary(list(demo_clips.values())))
    viewer = NullViewer()
    watch(made, still, viewer, steps=9, rows=2, throw_every=4 / 60)
    assert viewer.setups[0].projectiles == (ObjectLook("box", (0.1, 0.1, 0.1)),) * 2
    flying = [(moments[1].pose.projectile_pos[:, 2] < PARKED_ABOVE).tolist() for moments in viewer.shown]
    assert flying == [[False, False]] * 3 + [[True, False]] * 4 + [[True, True]] * 2
    made.close()


def test_a_closed_viewer_ends_the_rollout(env: HOIVectorEnv):
    viewer = NullViewer(limit=2)
    watch(env, still, viewer, steps=50)
    assert len(viewer.shown) == 2
