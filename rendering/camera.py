"""Cameras: one that follows a humanoid and what it handles, and one that stands still while a motion is filmed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from hoigym.motions.skeleton import Skeleton
from hoigym.rendering.pose import Pose
from hoigym.rendering.stage import FIELD_OF_VIEW

# The camera stands this far round from straight ahead of the humanoid, to its right [degrees].
_QUARTER_VIEW = 40.0
_ELEVATION = -12.0
# Room around the root [m]: to each side, to the top of an upright head, and for a foot ahead.
_SIDE, _HEAD_ROOM, _STRIDE = 0.6, 1.85, 0.4
_OBJECT_ROOM = 0.2
# Objects farther from the root than this are left out of the picture [m].
_REACH = 4.0
_NEAREST, _FARTHEST = 2.9, 8.0
# The picture is this much larger than what must be seen.
_MARGIN = 1.1
# Seconds in which the camera catches up with the root, and with a wider or a closer view around it.
_ROOT_LAG, _WIDEN_LAG, _CLOSE_LAG = 0.08, 0.08, 0.6
# A root that is farther away than these speeds [m/s] and this start [m] explain has been put somewhere else.
_FASTEST, _JUMP = 10.0, 0.3


class FollowCamera:
    """Follows the root smoothly, far enough away that the objects near it are in the picture too.

    aspect: width over height of the picture. azimuth [degrees]: direction of view; None takes one that shows
    the humanoid from its front right, and `turn` degrees farther round. room_right: how much more to show on the
    picture's right side [m]. elevation [degrees]: negative looks down.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        aspect: float,
        azimuth: float | None = None,
        room_right: float = 0.0,
        turn: float = 0.0,
        elevation: float = _ELEVATION,
    ):
        self._hips = hips_of(skeleton)
        self._room_right = room_right
        self._half_height = math.tan(math.radians(FIELD_OF_VIEW) / 2)
        self._half_width = self._half_height * aspect
        self._fixed_azimuth = azimuth
        self._root = np.full(3, np.inf)
        self._framing = np.zeros(4)
        self.view = mujoco.MjvCamera()
        self.view.elevation = elevation
        self._turn = turn

    @property
    def right(self) -> np.ndarray:
        """Unit vector (3,) in the world that points to the right side of the picture."""
        turn = math.radians(self.view.azimuth)
        return np.array((math.sin(turn), -math.cos(turn), 0.0))

    def follow(self, pose: Pose, dt: float) -> mujoco.MjvCamera:
        """The view of pose, dt [s] after the last one."""
        root = pose.body_pos[0] * (1.0, 1.0, 0.0)
        if np.linalg.norm(root - self._root) > _JUMP + _FASTEST * dt:
            self._aim(pose)
            self._root, self._framing = root, self._frame(root, pose)
        self._root = self._root + (root - self._root) * _share(dt, _ROOT_LAG)
        framing = self._frame(root, pose)
        lag = _WIDEN_LAG if framing[3] > self._framing[3] else _CLOSE_LAG
        self._framing = self._framing + (framing - self._framing) * _share(dt, lag)
        self.view.lookat[:] = self._root + self._framing[:3]
        self.view.distance = self._framing[3]
        return self.view

    def _aim(self, pose: Pose) -> None:
        if self._fixed_azimuth is not None:
            self.view.azimuth = self._fixed_azimuth
            return
        self.view.azimuth = quarter_view(self._hips, pose) + self._turn

    def _frame(self, root: np.ndarray, pose: Pose) -> np.ndarray:
        """Where to look, relative to the root's place on the floor, and from how far: (4,) [m]."""
        return np.append(*fit_view(self._seen(root, pose), self.view, self._half_width, self._half_height, _FARTHEST))

    def _seen(self, root: np.ndarray, pose: Pose) -> np.ndarray:
        """Points (P, 3) that must be in the picture, relative to the root's place on the floor [m]."""
        top = max(_HEAD_ROOM, float(pose.body_pos[:, 2].max()) + 0.2)
        near = _STRIDE * np.cross(self.right, (0.0, 0.0, 1.0))  # towards the camera
        sides = (-_SIDE * self.right, _SIDE * self.right)
        points = [side + place for side in sides for place in ((0.0, 0.0, top), near)]
        for offset in pose.object_pos - root:
            if np.linalg.norm(offset) < _REACH:
                points += [offset + _OBJECT_ROOM * sign * axis for sign in (-1, 1) for axis in np.eye(3)]
        farthest = max(points, key=lambda point: float(point @ self.right))
        return np.array([*points, farthest + self._room_right * self.right])


def quarter_view(hips: tuple[int, int], pose: Pose) -> float:
    """Direction of view [degrees] that shows a pose from its front right. hips: body indices, left and right."""
    left = pose.body_pos[hips[0]] - pose.body_pos[hips[1]]
    facing = math.degrees(math.atan2(-left[0], left[1]))
    return facing + 180.0 - _QUARTER_VIEW


def fit_view(
    points: np.ndarray, view: mujoco.MjvCamera, half_width: float, half_height: float, farthest: float
) -> tuple[np.ndarray, float]:
    """Where to look (3,) and from how far [m] so that points (P, 3) are in the picture, in view's direction.

    half_width, half_height: half of the picture at a distance of 1 m [m].
    """
    turn, tilt = math.radians(view.azimuth), math.radians(view.elevation)
    ahead = np.array((math.cos(turn) * math.cos(tilt), math.sin(turn) * math.cos(tilt), math.sin(tilt)))
    right = np.array((math.sin(turn), -math.cos(turn), 0.0))
    up = np.cross(right, ahead)
    across, above, depth = points @ right, points @ up, points @ ahead
    middle_across, middle_above = (across.min() + across.max()) / 2, (above.min() + above.max()) / 2
    # A point is in the picture if it lies within the cone of sight at its own depth.
    wide = np.abs(across - middle_across) / half_width - depth
    high = np.abs(above - middle_above) / half_height - depth
    distance = np.clip(_MARGIN * max(wide.max(), high.max()), _NEAREST, farthest)
    return middle_across * right + middle_above * up, float(distance)


def _share(dt: float, lag: float) -> float:
    return 1.0 - math.exp(-dt / lag)


def hips_of(skeleton: Skeleton) -> tuple[int, int]:
    """Body indices of the left and the right hip."""
    hips = [index for index, name in enumerate(skeleton.body_names) if name.endswith("Hip")]
    left = next(index for index in hips if skeleton.body_names[index].startswith(("L", "jL")))
    right = next(index for index in hips if index != left)
    return left, right


# --- A camera that does not move while a motion is filmed -----------------------------------------------------------


# Objects farther from the root than this are not what the camera looks at [m].
_STATIC_REACH = 3.0
_STATIC_FARTHEST = 12.0
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
    offset, distance = fit_view(seen - middle, view, aspect * half_height, half_height, _STATIC_FARTHEST)
    view.lookat[:] = middle + offset
    view.distance = choice.closeness * distance
    return view


def _seen(poses: Sequence[Pose]) -> np.ndarray:
    """Points (P, 3) that must be in the picture [m]."""
    bodies = np.concatenate([pose.body_pos for pose in poses])
    near = [
        pose.object_pos[np.linalg.norm(pose.object_pos - pose.body_pos[0], axis=1) < _STATIC_REACH] for pose in poses
    ]
    places = np.concatenate([bodies, *near])
    return np.concatenate([places + _FLESH * sign * axis for axis in np.eye(3) for sign in (-1, 1)])
