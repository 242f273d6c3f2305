"""A camera that does not move while a motion is filmed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from envs.drawing.camera import fit_view, hips_of, quarter_view
from envs.drawing.pose import Pose
from envs.drawing.stage import FIELD_OF_VIEW
from motions.skeleton import Skeleton

# Objects farther from the root than this are not what the camera looks at [m].
_REACH = 3.0
_FARTHEST = 12.0
# Around every body, along the axes [m].
_FLESH = 0.15
_USUAL_AZIMUTH, _USUAL_ELEVATION = 25.0, (-20.0, -6.0)
_CLOSENESS = (0.9, 1.1)
_UNSEEN_AZIMUTH, _UNSEEN_ELEVATION = (60.0, 120.0), (-40.0, -28.0)


@dataclass(frozen=True)
class CameraChoice:
    """Where a static camera stands.

    azimuth [degrees]: how far round from the view of the first pose's front right. elevation [degrees]: negative looks
    down. closeness: of the distance from which everything is in the picture.
    """

    azimuth: float = 0.0
    elevation: float = -12.0
    closeness: float = 1.0


def usual_camera(rng: np.random.Generator | None) -> CameraChoice:
    """A draw of the positions from which pictures to learn from are taken; their middle for None."""
    return _choice(rng, (-_USUAL_AZIMUTH, _USUAL_AZIMUTH), _USUAL_ELEVATION)


def unseen_camera(rng: np.random.Generator | None) -> CameraChoice:
    """A draw of positions far from all the usual ones, from the side and from higher up; their middle for None."""
    return _choice(rng, _UNSEEN_AZIMUTH, _UNSEEN_ELEVATION)


def _choice(
    rng: np.random.Generator | None, azimuth: tuple[float, float], elevation: tuple[float, float]
) -> CameraChoice:
    if rng is None:
        return CameraChoice(sum(azimuth) / 2, sum(elevation) / 2)
    return CameraChoice(rng.uniform(*azimuth), rng.uniform(*elevation), rng.uniform(*_CLOSENESS))


def static_view(
    skeleton: Skeleton, poses: Sequence[Pose], choice: CameraChoice, aspect: float = 1.0
) -> mujoco.MjvCamera:
    """The view in which all poses, and the objects near them, are in the picture. aspect: width over height."""
    view = mujoco.MjvCamera()
    view.azimuth = quarter_view(hips_of(skeleton), poses[0]) + choice.azimuth
    view.elevation = choice.elevation
    half_height = math.tan(math.radians(FIELD_OF_VIEW) / 2)
    seen = _seen(poses)
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
    offset, distance = fit_view(seen - middle, view, aspect * half_height, half_height, _FARTHEST)
    view.lookat[:] = middle + offset
    view.distance = choice.closeness * distance
    return view


def _seen(poses: Sequence[Pose]) -> np.ndarray:
    """Points (P, 3) that must be in the picture [m]."""
    bodies = np.concatenate([pose.body_pos for pose in poses])
    near = [pose.object_pos[np.linalg.norm(pose.object_pos - pose.body_pos[0], axis=1) < _REACH] for pose in poses]
    places = np.concatenate([bodies, *near])
    return np.concatenate([places + _FLESH * sign * axis for axis in np.eye(3) for sign in (-1, 1)])
