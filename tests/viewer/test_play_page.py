"""The page of `run.py play`, in a real browser: keys and buttons reach the running environment."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from hoigym.envs.config import EnvConfig, EpisodeConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from hoigym.sim.scene.config import ProjectileConfig, SceneConfig
from hoigym.viewer.browser.play_panel import PlayPanel
from hoigym.viewer.controls import Controls
from hoigym.viewer.rollout import LiveRollout
from tests.viewer.tabs import LeavingViewer, click, new_tab, page, press, text, until

pytestmark = pytest.mark.slow
LEFT, UP, DOWN = "\ue012", "\ue013", "\ue015"


class Stage:
    """A page with a policy at work on it, in two rows."""

    def __init__(self, env: HOIVectorEnv, rollout: LiveRollout, viewer: LeavingViewer, url: str):
        self.env, self.rollout, self.viewer, self.url = env, rollout, viewer, url

    def skills(self) -> list[int]:
        return self.env.skill.tolist()

    def has_own_view(self) -> bool:
        """Whether the only tab looks from where tabs are opened."""
        (client,) = self.viewer.server.get_clients().values()
        return np.allclose(client.camera.position, self.viewer.server.initial_camera.position, atol=1e-3)


@pytest.fixture(scope="module")
def stage(browser: Any, demo_clips: dict[str, Clip]) -> Iterator[Stage]:
    """The page, loaded."""
    config = EnvConfig(
        num_envs=2,
        threads=1,
        scene=SceneConfig(hands="locked", projectiles=ProjectileConfig(count=1)),
        episode=EpisodeConfig(length=10**6, stop_at_clip_end=False, fall_height=None),
    )
    env = HOIVectorEnv(config, MotionLibrary(list(demo_clips.values())))
    rollout = LiveRollout(env, lambda _: env.reference_actions(), Controls(), rows=2, ghost=True)
    with page(rollout, lambda server: PlayPanel(server, rollout)) as (url, viewer):
        browser.get(url)
        until(lambda: " s, reward " in text(browser))
        yield Stage(env, rollout, viewer, url)
    env.close()


def test_keys_change_the_skill_in_the_running_environment(browser: Any, stage: Stage):
    for key, skill, name in ((UP, 13, "dribble forward"), (DOWN, 14, "dribble on the spot"), ("q", 1, "pick up")):
        press(browser, key)
        until(lambda skill=skill: stage.skills() == [skill] * 2, f"{key!r} does not ask for {skill}")
        until(lambda name=name: text(browser).split("HOIGym")[-1].strip().startswith(name))
    press(browser, "0")
    until(lambda: stage.skills() == [0, 0])


def test_keys_of_skills_that_are_not_known_do_nothing(browser: Any, stage: Stage):
    press(browser, "q")
    until(lambda: stage.skills() == [1, 1])
    for key in ("w", "e", "r"):
        press(browser, key)
    press(browser, "1")  # whatever the others did has been done by the time that this is
    until(lambda: stage.skills() == [10, 10])
    assert {moments[0].skill_id for moments in stage.viewer.shown} <= {0, 1, 10, 13, 14}


def test_keys_do_not_move_the_camera(browser: Any, stage: Stage):
    until(stage.has_own_view)
    for key in ("w", LEFT, UP):
        press(browser, key, seconds=1.0)
    press(browser, "1")  # what moves the view comes before what is asked for last
    until(lambda: stage.skills() == [10, 10])
    assert stage.has_own_view()


def test_buttons_do_what_keys_do(browser: Any, stage: Stage):
    click(browser, "dribble on the spot")
    until(lambda: stage.skills() == [14, 14])
    click(browser, "get up")
    until(lambda: stage.skills() == [0, 0])


def test_a_pause_stops_the_steps_and_a_step_makes_one(browser: Any, stage: Stage):
    press(browser, " ")
    until(lambda: not stage.rollout.playing)
    until(lambda: "paused" in text(browser))
    steps = stage.rollout.steps
    click(browser, "single step")
    until(lambda: stage.rollout.steps > steps)
    assert stage.rollout.steps == steps + 1
    press(browser, "n")
    until(lambda: stage.rollout.steps > steps + 1)
    assert stage.rollout.steps == steps + 2
    click(browser, "pause / go on")
    until(lambda: stage.rollout.steps > steps + 10)


def test_reset_push_and_throw(browser: Any, stage: Stage):
    resets = stage.rollout.resets
    press(browser, "\ue003")  # backspace
    until(lambda: stage.rollout.resets == resets + 1)
    press(browser, "t")
    until(lambda: stage.env.sim.state.projectile_pos[:, 0, 2].max() < 50.0)
    press(browser, " ")
    until(lambda: not stage.rollout.playing)
    before = stage.env.sim.state.root_lin_vel.clone()
    click(browser, "push")
    until(lambda: not torch.equal(stage.env.sim.state.root_lin_vel, before))
    press(browser, " ")
    until(lambda: stage.rollout.playing)


def test_a_second_tab_sees_the_same_and_may_leave(browser: Any, stage: Stage):
    with new_tab(browser, stage.url):
        until(lambda: len(stage.viewer.server.get_clients()) == 2)
        until(lambda: " s, reward " in text(browser))
        click(browser, "pick up")
        until(lambda: stage.skills() == [1, 1])
    until(lambda: len(stage.viewer.server.get_clients()) == 1)
    steps = stage.rollout.steps
    until(lambda: stage.rollout.steps > steps + 20, "the run stopped with the tab")
    click(browser, "walk or run")
    until(lambda: stage.skills() == [10, 10])
