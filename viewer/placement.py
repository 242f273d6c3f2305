"""Puts a figure somewhere else on the floor."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from envs.drawing.pose import Pose
from motions.rotations import heading, quat_from_yaw, quat_mul, quat_rotate
from viewer.base import Moment


@dataclass(frozen=True)
class Placement:
    """A turn by yaw [rad] about the vertical through the origin, then a shift (3,) [m]."""

    yaw: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) [m] where they come to lie."""
        return (self._turn(points) + np.array(self.shift)).astype(points.dtype)

    def pose(self, pose: Pose) -> Pose:
        """A pose where it comes to stand."""
        return replace(
            pose,
            body_pos=self.points(pose.body_pos),
            body_quat=self._turn_quat(pose.body_quat),
            object_pos=self.points(pose.object_pos),
            object_quat=self._turn_quat(pose.object_quat),
            projectile_pos=self.points(pose.projectile_pos),
            projectile_quat=self._turn_quat(pose.projectile_quat),
        )

    def moment(self, moment: Moment) -> Moment:
        """A moment whose figure and ghost come to stand there."""
        if self == Placement():  # most figures stay where they are, and a page shows sixty moments a second
            return moment
        ghost = None if moment.ghost is None else self.pose(moment.ghost)
        return replace(moment, pose=self.pose(moment.pose), ghost=ghost)

    def _turn(self, points: np.ndarray) -> np.ndarray:
        vectors = torch.from_numpy(points).double()
        return quat_rotate(self._quat.expand(*vectors.shape[:-1], 4), vectors).numpy()

    def _turn_quat(self, quats: np.ndarray) -> np.ndarray:
        turned = quat_mul(self._quat.expand(quats.shape), torch.from_numpy(quats).double())
        return turned.numpy().astype(quats.dtype)

    @property
    def _quat(self) -> torch.Tensor:
        return quat_from_yaw(torch.tensor(self.yaw, dtype=torch.float64))


def placed_over(figure: Pose, target: Pose) -> Placement:
    """The placement that brings a figure's root over that of another, with its heading; heights stay.

    The rule of `motions.stitching.align` (SkillMimic-V2, stitched trajectory graph) for poses as they are drawn.
    """
    yaw = _heading(target) - _heading(figure)
    turned = Placement(yaw).points(figure.body_pos[0].astype(np.float64))
    x, y, _ = target.body_pos[0] - turned
    return Placement(yaw, (float(x), float(y), 0.0))


def _heading(pose: Pose) -> float:
    return float(heading(torch.from_numpy(pose.body_quat[0]).double()))
