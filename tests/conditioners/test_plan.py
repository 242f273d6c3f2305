from dataclasses import replace

import numpy as np
import pytest
import torch

from hoigym.conditioners.plan import KNOTS, STEPS, plan_steps, plan_table, plan_width, plans
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import exp_to_quat, quat_mul, quat_rotate, quat_to_exp


@pytest.fixture(scope="module")
def dribble(demo_clips) -> Clip:
    return next(clip for name, clip in demo_clips.items() if "dribble_walk" in name)


def turned(clip: Clip, yaw: float, shift: tuple[float, float, float]) -> Clip:
    """The same motion elsewhere: turned about the vertical axis and moved."""
    turn = exp_to_quat(torch.tensor([0.0, 0.0, yaw]))

    def moved(points: np.ndarray) -> np.ndarray:
        return (quat_rotate(turn, torch.tensor(points)) + torch.tensor(shift)).numpy()

    def rotated(rotations: np.ndarray) -> np.ndarray:
        return quat_to_exp(quat_mul(turn, exp_to_quat(torch.tensor(rotations)))).numpy()

    return replace(
        clip,
        root_pos=moved(clip.root_pos),
        root_rot=rotated(clip.root_rot),
        object_pos=moved(clip.object_pos),
        object_rot=rotated(clip.object_rot),
        body_pos=None,
    )


def test_a_plan_does_not_say_where_in_the_world_it_happens(dribble):
    here, there = (
        plan_steps(MotionLibrary([clip])) for clip in (dribble, turned(dribble, yaw=2.0, shift=(5.0, -3.0, 0.0)))
    )
    # Differences of float32 places five metres away, times sixty frames a second.
    assert torch.allclose(here, there, atol=2e-3)


def test_velocities_of_a_plan_are_those_of_the_root_and_the_ball_in_the_heading_frame(dribble):
    library = MotionLibrary([dribble])
    frames = library.reference(torch.arange(library.num_frames))
    steps = plan_steps(library)
    assert steps.shape == (library.num_frames, plan_width(library)) == (library.num_frames, 4 + 27 + 6)
    assert torch.allclose(steps[:, :3].norm(dim=1), frames.root_lin_vel.norm(dim=1), atol=1e-5)
    assert torch.equal(steps[:, 3], frames.root_ang_vel[:, 2])
    assert torch.allclose(steps[:, 36], frames.object_lin_vel[:, 0, 2], atol=1e-5)
    assert torch.allclose(steps[:, 33], frames.object_pos[:, 0, 2] - frames.root_pos[:, 2], atol=1e-5)


def test_a_plan_looks_half_a_second_ahead_and_stops_with_its_clip(dribble):
    library = MotionLibrary([dribble, dribble])
    steps, ahead = plan_steps(library), plans(library)
    assert ahead.shape == (library.num_frames, STEPS, steps.shape[1])
    assert torch.equal(ahead[10, 0], steps[12])
    assert torch.equal(ahead[10, 15], steps[42])
    last = int(library.clip_length[0]) - 1
    assert torch.equal(ahead[last - 5, 15], steps[last])


def test_a_policy_is_told_the_knots(dribble):
    library = MotionLibrary([dribble])
    ahead = plans(library)
    table = plan_table(library, ahead, "clips")
    assert table.library_hash == library.content_hash
    assert torch.equal(table.values[0, 7].view(len(KNOTS), -1), ahead[7, KNOTS])
