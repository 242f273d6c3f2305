"""What a page costs the run."""

import time
from collections.abc import Callable

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

WARM, STEPS = 10, 90
MOST = 3.5
"""Of what a step costs without a page: on the machine of docs/viewer.md still less than 1/60 s."""


def test_a_step_before_an_audience_is_not_much_dearer_than_one_without(demo_clips: dict[str, Clip]):
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
    assert len(spent) >= STEPS
    watched = (spent[-1] - spent[WARM]) / (len(spent) - 1 - WARM)
    alone = processor_seconds(lambda: env.step(env.reference_actions()))
    env.close()
    assert watched < MOST * alone, f"{1000 * watched:.1f} ms a step, {1000 * alone:.1f} ms without a page"


def processor_seconds(step: Callable[[], object]) -> float:
    """Of all threads, a step: on a machine that does nothing else the run keeps up with the clock."""
    begin = time.process_time()
    for _ in range(STEPS):
        step()
    return (time.process_time() - begin) / STEPS
