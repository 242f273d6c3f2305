"""What the camera keeps in the picture."""

import math

import mujoco
import numpy as np
import pytest

from hoigym.rendering.camera import FollowCamera
from hoigym.rendering.stage import FIELD_OF_VIEW
from tests.rendering.poses import SKELETON, standing

ASPECT = 4 / 3


def place_in_picture(view: mujoco.MjvCamera, point: np.ndarray) -> np.ndarray:
    """Right and up in the picture; -1 .. 1 is inside."""
    turn, tilt = math.radians(view.azimuth), math.radians(view.elevation)
    ahead = np.array((math.cos(turn) * math.cos(tilt), math.sin(turn) * math.cos(tilt), math.sin(tilt)))
    right = np.array((math.sin(turn), -math.cos(turn), 0.0))
    from_eye = point - (view.lookat - view.distance * ahead)
    half = math.tan(math.radians(FIELD_OF_VIEW) / 2) * (from_eye @ ahead)
    return np.array((from_eye @ right / (half * ASPECT), from_eye @ np.cross(right, ahead) / half))


@pytest.mark.parametrize("ball", [(0.5, -0.4, 0.12), (-1.5, 1.0, 2.9), (2.5, 2.5, 0.12), (0.0, -3.5, 0.12)])
def test_the_whole_body_and_the_ball_are_in_the_picture(ball: tuple[float, float, float]):
    pose = standing(root=(5.0, -2.0, 0.975), ball=(ball[0] + 5.0, ball[1] - 2.0, ball[2]))
    view = FollowCamera(SKELETON, ASPECT).follow(pose, dt=1 / 30)
    hands = [SKELETON.index("L_Elbow"), SKELETON.index("R_Elbow")]
    for point in [*pose.body_pos[[0, 4, 8, 14, *hands]], *pose.object_pos]:
        assert np.abs(place_in_picture(view, point)).max() < 0.97


def test_a_ball_far_away_is_left_alone():
    camera = FollowCamera(SKELETON, ASPECT)
    assert camera.follow(standing(ball=(40.0, 0.0, 0.12)), dt=1 / 30).distance < 4.0


def test_the_humanoid_is_seen_from_its_front_right():
    view = FollowCamera(SKELETON, ASPECT).follow(standing(), dt=1 / 30)
    # It faces -y (-90 degrees); the camera stands 40 degrees to its right and looks back.
    assert view.azimuth % 360 == pytest.approx((-90.0 + 180.0 - 40.0) % 360)


def test_a_fixed_direction_is_kept():
    camera = FollowCamera(SKELETON, ASPECT, azimuth=90.0)
    assert camera.follow(standing(), dt=1 / 30).azimuth == 90.0
    np.testing.assert_allclose(camera.right, (1.0, 0.0, 0.0), atol=1e-12)


def test_a_runner_stays_near_the_middle():
    camera = FollowCamera(SKELETON, ASPECT, azimuth=90.0)
    for step in range(60):
        pose = standing(root=(5.0 * step / 30, 0.0, 0.975), ball=(40.0, 0.0, 0.12))
        view = camera.follow(pose, dt=1 / 30)
    assert abs(place_in_picture(view, pose.body_pos[0])[0]) < 0.35


def test_a_reset_is_cut_not_panned():
    camera = FollowCamera(SKELETON, ASPECT, azimuth=90.0)
    camera.follow(standing(), dt=1 / 30)
    view = camera.follow(standing(root=(8.0, 0.0, 0.975), ball=(8.0, -0.6, 1.0)), dt=1 / 30)
    assert view.lookat[0] == pytest.approx(8.0, abs=0.2)


def test_room_for_a_second_figure_is_on_the_right():
    pose = standing()
    alone = FollowCamera(SKELETON, ASPECT).follow(pose, dt=1 / 30)
    camera = FollowCamera(SKELETON, ASPECT, room_right=1.3)
    view = camera.follow(pose, dt=1 / 30)
    beside = pose.body_pos[0] + 1.3 * camera.right
    assert place_in_picture(view, pose.body_pos[0])[0] < place_in_picture(alone, pose.body_pos[0])[0]
    assert 0.0 < place_in_picture(view, beside)[0] < 0.9
