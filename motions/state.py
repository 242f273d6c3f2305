"""The state of humanoids and their objects, as motions describe it."""

from dataclasses import dataclass

from torch import Tensor

from motions.frames import Frames


@dataclass(frozen=True, kw_only=True)
class MotionState:
    """State of R humanoids with J joints and K objects; world frame.

    root_pos (R, 3) [m], root_quat (R, 4) wxyz, root_lin_vel [m/s] and root_ang_vel [rad/s] (R, 3); joint_rot
    (R, J, 3) exp-maps, child in parent [rad], joint_vel (R, J, 3) [rad/s] in the child frame; object_pos,
    object_lin_vel, object_ang_vel (R, K, 3) and object_quat (R, K, 4).
    """

    root_pos: Tensor
    root_quat: Tensor
    root_lin_vel: Tensor
    root_ang_vel: Tensor
    joint_rot: Tensor
    joint_vel: Tensor
    object_pos: Tensor
    object_quat: Tensor
    object_lin_vel: Tensor
    object_ang_vel: Tensor

    @staticmethod
    def of(frames: Frames) -> "MotionState":
        """The state that reference frames (R,) show; views on them."""
        return MotionState(**{name: getattr(frames, name) for name in MotionState.__dataclass_fields__})

    def __getitem__(self, rows: Tensor) -> "MotionState":
        """The selected rows."""
        return MotionState(**{name: value[rows] for name, value in vars(self).items()})
