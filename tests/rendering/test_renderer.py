"""What is in the drawn pictures."""

from collections.abc import Iterator

import numpy as np
import pytest

from hoigym.core.errors import UserError
from hoigym.rendering.camera import FollowCamera
from hoigym.rendering.pose import Pose
from hoigym.rendering.renderer import PoseRenderer
from tests.rendering.poses import BALL, SKELETON, standing

SIZE = (160, 120)


@pytest.fixture(scope="module")
def renderer() -> Iterator[PoseRenderer]:
    """Of one humanoid with a ball and a ghost."""
    made = PoseRenderer(SKELETON, [BALL], *SIZE, ghost=True)
    yield made
    made.close()


def draw(renderer: PoseRenderer, pose: Pose, ghost: Pose | None = None) -> np.ndarray:
    """As signed numbers."""
    view = FollowCamera(SKELETON, SIZE[0] / SIZE[1]).follow(pose, dt=1 / 30)
    return renderer.draw(pose, view, ghost).astype(int)


def cyan(picture: np.ndarray) -> np.ndarray:
    """Pixels in the colour of contact."""
    return (picture[..., 2] - picture[..., 0] > 90) & (picture[..., 1] - picture[..., 0] > 40)


def orange(picture: np.ndarray) -> np.ndarray:
    """Pixels in the colour of a ball."""
    return (picture[..., 0] - picture[..., 2] > 90) & (picture[..., 0] > 110)


def test_sky_is_above_a_checkered_floor(renderer: PoseRenderer):
    picture = draw(renderer, standing())
    assert picture.shape == (120, 160, 3)
    sky, floor = picture[:10].mean((0, 1)), picture[-10:].mean((0, 1))
    assert sky[2] > sky[0] + 15
    assert abs(floor[2] - floor[0]) < 15
    assert picture[-10:, :40].std() > 3


def test_a_touched_ball_is_cyan_and_an_untouched_one_orange(renderer: PoseRenderer):
    free, held = draw(renderer, standing()), draw(renderer, standing(touch=True))
    assert orange(free).sum() > 40
    assert cyan(free).sum() == 0
    assert cyan(held).sum() > 40
    assert orange(held).sum() == 0


def test_the_head_is_above_the_feet(renderer: PoseRenderer):
    pose = standing(ball=(40.0, 0.0, 0.12))
    gone = standing(root=(0.0, 0.0, -5.0), ball=(40.0, 0.0, 0.12))
    view = FollowCamera(SKELETON, SIZE[0] / SIZE[1]).follow(pose, dt=1 / 30)
    with_figure = renderer.draw(pose, view).astype(int)
    without = renderer.draw(gone, view).astype(int)
    rows, columns = np.nonzero(np.abs(with_figure - without).max(axis=2) > 30)
    assert rows.min() < 30
    assert rows.max() > 90
    assert abs(columns[rows < rows.min() + 6].mean() - SIZE[0] / 2) < 10


def test_a_ghost_is_green_and_casts_no_shadow(renderer: PoseRenderer):
    pose = standing(ball=(40.0, 0.0, 0.12))
    ghost = standing(root=(-0.7, 0.0, 0.975), ball=(40.0, 0.0, 0.12))
    change = draw(renderer, pose, ghost) - draw(renderer, pose)
    changed = np.abs(change).max(axis=2) > 8
    assert changed.sum() > 100
    assert (change[changed][:, 1] > change[changed][:, 0]).mean() > 0.98


@pytest.mark.parametrize("size", [(8, 120), (160, 5000), (0, 0)])
def test_a_size_that_cannot_be_drawn_is_one_line(size: tuple[int, int]):
    with pytest.raises(UserError, match=f"picture size {size[0]} x {size[1]}: expected 16 to 4096"):
        PoseRenderer(SKELETON, [BALL], *size)


def test_a_picture_larger_than_mujocos_own_buffer():
    """That is 640 x 480."""
    large = PoseRenderer(SKELETON, [BALL], 800, 600)
    assert draw(large, standing()).shape == (600, 800, 3)
    large.close()
