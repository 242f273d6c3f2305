"""Starts and skills that the caller of reset chooses."""

from collections.abc import Callable

import numpy as np
import torch

from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.library import MotionLibrary


def test_rows_start_where_they_are_told(make_env: Callable[..., HOIVectorEnv], library: MotionLibrary):
    env = make_env()
    rows = torch.tensor([5, 17, int(library.clip_start[1]) + 9, int(library.clip_start[2]) + 3])
    env.reset(seed=0, options={"start": rows})
    assert env.clip.tolist() == [0, 0, 1, 2]
    assert env.start_frame.tolist() == [5, 17, 9, 3]
    torch.testing.assert_close(env.sim.state.root_pos, library.reference(rows).root_pos)
    env.close()


def test_a_skill_can_be_asked_for_that_is_not_the_clips(make_env: Callable[..., HOIVectorEnv]):
    env = make_env()
    asked = torch.tensor([13, 31, 10, 13])
    rows = torch.tensor([5, 5, 5, 5])
    obs, _ = env.reset(seed=0, options={"start": rows, "skill": asked})
    label = obs[:, -64:].argmax(1)
    assert label.tolist() == asked.tolist()
    after, *_ = env.step(env.reference_actions())
    assert after[:, -64:].argmax(1).tolist() == asked.tolist()
    env.reset(seed=0)
    assert set(env.skill.tolist()) <= {10, 13}
    env.close()


def test_arrays_will_do(make_env: Callable[..., HOIVectorEnv]):
    env = make_env()
    env.reset(seed=0, options={"start": np.array([5, 17, 6, 7]), "skill": np.array([13, 31, 10, 13])})
    assert env.start_frame.tolist() == [5, 17, 6, 7]
    assert env.skill.tolist() == [13, 31, 10, 13]
    env.close()
