"""Small pictures with depth, embodiments and static cameras."""

from collections.abc import Iterator
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from hoigym.motions.skeleton import load_skeleton
from hoigym.rendering.appearance import (
    EMBODIMENTS,
    Appearance,
    Proportions,
    jittered,
    random_colours,
    shaped_pose,
    shaped_skeleton,
)
from hoigym.rendering.camera import CameraChoice, static_view, unseen_camera, usual_camera
from hoigym.rendering.film import SmallRenderer
from tests.rendering.poses import BALL, SKELETON, standing
from tests.rendering.test_camera import place_in_picture

SIZE = 64


@pytest.fixture(scope="module")
def renderer() -> Iterator[SmallRenderer]:
    made = SmallRenderer(SKELETON, [BALL], SIZE, SIZE)
    yield made
    made.close()


def ahead_view(distance: float) -> mujoco.MjvCamera:
    """Looks horizontally along +y at the ball of `standing`, which floats before the body, from so far."""
    view = mujoco.MjvCamera()
    view.azimuth, view.elevation, view.distance = 90.0, 0.0, distance
    view.lookat[:] = (0.0, -0.6, 1.0)
    return view


def test_depth_is_in_metres(renderer: SmallRenderer):
    for distance in (1.5, 4.0):
        picture, depth = renderer.draw_with_depth(standing(), ahead_view(distance))
        assert picture.shape == (SIZE, SIZE, 3)
        assert depth[SIZE // 2 - 1, SIZE // 2 - 1] == pytest.approx(distance - 0.12, abs=0.03)
        # The floor below: the camera is 1 m above it, and the lowest row looks 20 degrees down, half a pixel less.
        slope = np.tan(np.radians(20)) * (1 - 1 / SIZE)
        assert depth[-1, 0] == pytest.approx(1.0 / slope, rel=0.02)
        assert depth[0, 0] > 50.0


def test_depth_is_that_of_the_engine(renderer: SmallRenderer):
    _, depth = renderer.draw_with_depth(standing(), ahead_view(3.0))
    renderer._renderer.enable_depth_rendering()
    again = renderer._renderer.render()
    renderer._renderer.disable_depth_rendering()
    near = again < 30.0
    assert near.mean() > 0.4
    np.testing.assert_allclose(depth[near], again[near], rtol=1e-3)


def test_contact_has_no_colour_of_its_own_in_a_pose_without_touch(renderer: SmallRenderer):
    view = ahead_view(2.0)
    assert (renderer.draw(standing(), view) != renderer.draw(standing(touch=True), view)).any()


def test_embodiments_differ_in_colour_and_in_outline():
    pictures = {}
    for name in "ABC":
        renderer = SmallRenderer(SKELETON, [BALL], SIZE, SIZE, EMBODIMENTS[name])
        pictures[name] = renderer.draw_with_depth(standing(), ahead_view(4.0))
        renderer.close()
    for other in "BC":
        assert np.abs(pictures["A"][0].astype(int) - pictures[other][0]).mean() > 25
        outlines = [np.abs(pictures[name][1][:48] - 4.6) < 0.35 for name in ("A", other)]
        assert 0.1 < (outlines[0] != outlines[1]).sum() / outlines[0].sum() < 1.5


def test_random_colours_change_colours_only():
    looks = [random_colours(EMBODIMENTS["B"], np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert looks[0] == looks[1] != looks[2]
    assert {look.proportions for look in looks} == {EMBODIMENTS["B"].proportions}
    changed = jittered(Appearance(), np.random.default_rng(0), share=0.05)
    assert changed.proportions != Proportions()
    assert all(abs(value - 1) <= 0.05 for value in vars(changed.proportions).values())


@pytest.mark.parametrize("name", ["mocap", "parahome"])
def test_the_skeletons_own_proportions_change_nothing(name: str):
    skeleton = load_skeleton(name)
    assert shaped_skeleton(skeleton, Proportions()) is skeleton
    pose = standing()
    assert shaped_pose(skeleton, skeleton, pose) is pose


def test_longer_legs_lift_the_head_and_keep_the_feet_on_the_floor():
    pose = standing()
    shaped = shaped_skeleton(SKELETON, Proportions(leg=1.2))
    taller = shaped_pose(SKELETON, shaped, pose)
    toe, head = SKELETON.index("L_Toe"), SKELETON.index("Head")
    hip_to_toe = pose.body_pos[SKELETON.index("L_Hip"), 2] - pose.body_pos[toe, 2]
    assert taller.body_pos[toe, 2] == pytest.approx(pose.body_pos[toe, 2])
    assert taller.body_pos[head, 2] - pose.body_pos[head, 2] == pytest.approx(0.2 * hip_to_toe, rel=1e-6)


def test_a_held_ball_follows_the_hand_and_a_far_one_stays():
    hand = SKELETON.index("L_Wrist")
    pose = standing()
    at_hand = tuple(pose.body_pos[hand])
    shaped = shaped_skeleton(SKELETON, Proportions(arm=1.3))
    held = shaped_pose(SKELETON, shaped, replace(pose, object_pos=np.array([at_hand])))
    np.testing.assert_allclose(held.object_pos[0], held.body_pos[hand])
    assert np.linalg.norm(held.object_pos[0] - at_hand) > 0.1
    far = replace(pose, object_pos=np.array([[3.0, 3.0, 0.12]]))
    np.testing.assert_array_equal(shaped_pose(SKELETON, shaped, far).object_pos, far.object_pos)


@pytest.mark.parametrize("choice", [CameraChoice(), CameraChoice(azimuth=90.0, elevation=-35.0)])
def test_a_static_camera_sees_a_whole_walk(choice: CameraChoice):
    poses = [standing(root=(7.0, y, 0.975), ball=(7.2, y - 0.5, 0.3)) for y in (0.0, -1.0, -2.0, -3.0)]
    view = static_view(SKELETON, poses, choice)
    for pose in poses:
        for point in (*pose.body_pos, *pose.object_pos):
            # With the aspect of the helper's picture taken out.
            across, above = place_in_picture(view, point) * (4 / 3, 1.0)
            assert max(abs(across), abs(above)) < 1.0


def test_unseen_cameras_are_far_from_all_usual_ones():
    rng = np.random.default_rng(0)
    usual, unseen = [usual_camera(rng) for _ in range(50)], [unseen_camera(rng) for _ in range(50)]
    assert max(abs(one.azimuth) for one in usual) + 30 < min(one.azimuth for one in unseen)
    assert min(one.elevation for one in usual) - 5 > max(one.elevation for one in unseen)
