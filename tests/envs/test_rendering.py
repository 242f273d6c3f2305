"""The pictures that the environment's render returns."""

from collections.abc import Callable

import numpy as np
import torch

from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.rendering.renderer import EnvRenderer


def test_every_row_has_a_picture_that_changes_with_time(make_env: Callable[..., HOIVectorEnv]):
    env = make_env(num_envs=3)
    env.reset(seed=0)
    renderer = EnvRenderer(env.scene, env.num_envs, dt=1 / 60, width=96, height=72)
    before = renderer.render(env.sim.state)
    for _ in range(15):
        env.step(torch.zeros(3, 156))
    after = renderer.render(env.sim.state)
    renderer.close()
    assert isinstance(before, tuple)
    assert [picture.shape for picture in before] == [(72, 96, 3)] * 3
    assert all(picture.dtype == np.uint8 and picture.std() > 10 for picture in before)
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert (before[0] != before[1]).any()
