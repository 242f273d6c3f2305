"""The raw engine does exactly the physics of the environment."""

from typing import Any, cast

import pytest
import torch

from hoigym.benchmarks.raw_engine import raw_engine
from hoigym.envs.config import EnvConfig, EpisodeConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.sim.engines import WarpConfig
from hoigym.sim.scene.config import SceneConfig


def make(engine: str) -> HOIVectorEnv:
    return HOIVectorEnv(
        EnvConfig(
            num_envs=3,
            threads=1,
            engine=cast(Any, engine),
            warp=WarpConfig(device="cpu"),
            scene=SceneConfig(hands="locked"),
            episode=EpisodeConfig(length=100, stop_at_clip_end=False, fall_height=None),
        )
    )


def positions(engine: str, env: HOIVectorEnv, raw: Any) -> torch.Tensor:
    if engine == "mujoco":
        return torch.as_tensor(raw._batch.qpos.copy())
    return env.sim.generalized_positions()


@pytest.mark.parametrize("engine", ["mujoco", pytest.param("mujoco_warp", marks=pytest.mark.slow)])
def test_it_ends_where_the_environment_does(engine: str) -> None:
    if engine == "mujoco_warp":
        pytest.importorskip("mujoco_warp")
    env = make(engine)
    env.reset(seed=0)
    raw = raw_engine(env)
    before, actions = env.sim.snapshot(), env.reference_actions()
    started = env.sim.generalized_positions()
    env.step(actions)
    reached = env.sim.generalized_positions()
    assert (reached - started).abs().max() > 1e-3
    raw.load(before, env.drive_targets(actions))
    raw.step()
    torch.testing.assert_close(positions(engine, env, raw), reached, rtol=0, atol=1e-5)
