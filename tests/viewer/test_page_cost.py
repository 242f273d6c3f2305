"""What a page costs the run."""

import time

from envs.config import EnvConfig, EpisodeConfig
from envs.scene.config import ProjectileConfig, SceneConfig
from envs.vector_env import HOIVectorEnv
from motions.clip import Clip
from motions.library import MotionLibrary
from tests.viewer.tabs import LeavingViewer
from viewer.browser.play_panel import PlayPanel
from viewer.browser.server import open_server
from viewer.controls import Controls
from viewer.live import LiveRollout

STEPS = 90


def test_a_step_before_an_audience_costs_less_than_real_time(demo_clips: dict[str, Clip]):
    config = EnvConfig(
        num_envs=1,
        threads=1,
        scene=SceneConfig(projectiles=ProjectileConfig(count=4)),
        episode=EpisodeConfig(length=10**6, stop_at_clip_end=False, fall_height=None),
    )
    env = HOIVectorEnv(config, MotionLibrary(list(demo_clips.values())))
    rollout = LiveRollout(env, lambda _: env.reference_actions(), Controls(), ghost=True)
    server = open_server("127.0.0.1", 0)
    viewer = LeavingViewer(server, PlayPanel(server, rollout))
    spent = []

    def note() -> None:
        spent.append(time.process_time())
        if rollout.steps < STEPS:
            rollout.controls.ask(note)
        else:
            viewer.leave.set()

    rollout.controls.ask(note)
    rollout.run(viewer)
    viewer.close()
    env.close()
    # CPU time of all threads: on a machine that does nothing else the run keeps up with the clock.
    each = (spent[-1] - spent[10]) / (len(spent) - 11)
    assert len(spent) >= STEPS
    assert each < 1 / 60, f"{1000 * each:.1f} ms a step"
