"""Figures put elsewhere, and over each other."""

import math

import numpy as np
import pytest
import torch

from hoigym.motions.clip import Clip
from hoigym.motions.graph import align
from hoigym.motions.library import MotionLibrary
from hoigym.motions.state import MotionState
from hoigym.viewer.replay import Placement, clip_moments, placed_over
from tests.rendering.poses import standing
from tests.viewer.moments import moment


def test_a_turn_goes_before_a_shift():
    moved = Placement(math.pi / 2, (1.0, 2.0, 3.0)).points(np.array([[1.0, 0.0, 0.5]]))
    np.testing.assert_allclose(moved, [[1.0, 3.0, 3.5]], atol=1e-12)


def test_bodies_and_objects_keep_their_distances_and_turn_along():
    pose = standing(ball=(0.3, -0.6, 1.0), touch=True)
    moved = Placement(0.7, (2.0, -1.0, 0.0)).pose(pose)
    before = np.linalg.norm(pose.body_pos - pose.object_pos, axis=1)
    np.testing.assert_allclose(np.linalg.norm(moved.body_pos - moved.object_pos, axis=1), before, atol=1e-5)
    np.testing.assert_allclose(moved.body_pos[:, 2], pose.body_pos[:, 2], atol=1e-6)
    assert moved.object_touch is pose.object_touch
    assert not np.allclose(moved.body_quat, pose.body_quat)


def test_what_stays_where_it_is_is_not_worked_out_anew():
    shown = moment(0, ghost=True)
    assert Placement().moment(shown) is shown
    assert Placement(shift=(1.0, 0.0, 0.0)).moment(shown).pose.body_pos[0, 0] == shown.pose.body_pos[0, 0] + 1.0


def test_laying_over_is_the_alignment_of_the_graph(demo_clips: dict[str, Clip]):
    clips = [demo_clips["013_demo_dribble_walk_3"], demo_clips["001_demo_pickup_4"]]
    library = MotionLibrary(clips)
    here, linked = (
        library.frame_index(torch.tensor([clip]), torch.tensor([frame])) for clip, frame in ((0, 40), (1, 190))
    )
    frames, target = library.reference(linked), library.reference(here)
    state = MotionState(**{name: getattr(frames, name) for name in MotionState.__dataclass_fields__})
    expected = align(state, target.root_pos, target.root_quat)
    figure, over = clip_moments(clips[1])[190].pose, clip_moments(clips[0])[40].pose
    laid = placed_over(figure, over).pose(figure)
    np.testing.assert_allclose(laid.body_pos[0], expected.root_pos[0], atol=1e-4)
    np.testing.assert_allclose(laid.object_pos, expected.object_pos[0], atol=1e-4)
    assert abs(float(laid.body_quat[0] @ expected.root_quat[0].numpy())) == pytest.approx(1.0, abs=1e-5)
