"""State of humanoids and their objects, as motions describe it: the fields of a library frame, and of a start."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class FrameLayout:
    """Where each quantity of a frame lies in a row, for B bodies and K objects."""

    def __init__(self, bodies: int, objects: int) -> None:
        joints = bodies - 1
        self.shapes: dict[str, tuple[int, ...]] = {
            "root_pos": (3,),
            "root_quat": (4,),
            "root_lin_vel": (3,),
            "root_ang_vel": (3,),
            "joint_rot": (joints, 3),
            "joint_vel": (joints, 3),
            "body_pos": (bodies, 3),
            "body_lin_vel": (bodies, 3),
            "object_pos": (objects, 3),
            "object_quat": (objects, 4),
            "object_lin_vel": (objects, 3),
            "object_ang_vel": (objects, 3),
            "contact": (objects,),
        }
        self.columns: dict[str, tuple[int, int]] = {}
        self.width = 0
        for name, shape in self.shapes.items():
            self.columns[name] = (self.width, math.prod(shape))
            self.width += math.prod(shape)

    def pack(self, quantities: Mapping[str, Tensor]) -> Tensor:
        """Quantities (T, *shape) by name -> rows (T, W)."""
        return torch.cat([quantities[name].flatten(1) for name in self.shapes], dim=1)


class Frames:
    """Reference frames (...): views, so writing to one writes to all. B bodies, J joints, K objects.

    Velocities are backward differences times the frame rate. A clip's frame 0 has zero velocity; a missing
    frame and the one after it carry the velocity before.
    """

    def __init__(self, rows: Tensor, layout: FrameLayout) -> None:
        self._rows = rows
        self._layout = layout

    @property
    def root_pos(self) -> Tensor:
        """(..., 3) world [m]."""
        return self._view("root_pos")

    @property
    def root_quat(self) -> Tensor:
        """(..., 4) wxyz; neighbouring frames of a clip lie on one hemisphere."""
        return self._view("root_quat")

    @property
    def root_lin_vel(self) -> Tensor:
        """(..., 3) world [m/s]."""
        return self._view("root_lin_vel")

    @property
    def root_ang_vel(self) -> Tensor:
        """(..., 3) world [rad/s]."""
        return self._view("root_ang_vel")

    @property
    def joint_rot(self) -> Tensor:
        """(..., J, 3) exp-maps, child in parent [rad]."""
        return self._view("joint_rot")

    @property
    def joint_vel(self) -> Tensor:
        """(..., J, 3) angular velocity of the child relative to its parent, in the child frame [rad/s]."""
        return self._view("joint_vel")

    @property
    def body_pos(self) -> Tensor:
        """(..., B, 3) world [m]."""
        return self._view("body_pos")

    @property
    def body_lin_vel(self) -> Tensor:
        """(..., B, 3) world [m/s]."""
        return self._view("body_lin_vel")

    @property
    def object_pos(self) -> Tensor:
        """(..., K, 3) world [m]."""
        return self._view("object_pos")

    @property
    def object_quat(self) -> Tensor:
        """(..., K, 4) wxyz; neighbouring frames of a clip lie on one hemisphere."""
        return self._view("object_quat")

    @property
    def object_lin_vel(self) -> Tensor:
        """(..., K, 3) world [m/s]."""
        return self._view("object_lin_vel")

    @property
    def object_ang_vel(self) -> Tensor:
        """(..., K, 3) world [rad/s]."""
        return self._view("object_ang_vel")

    @property
    def contact(self) -> Tensor:
        """(..., K) 1 where a hand holds the object, else 0."""
        return self._view("contact")

    def _view(self, name: str) -> Tensor:
        start, width = self._layout.columns[name]
        shape = self._layout.shapes[name]
        rows = self._rows.narrow(-1, start, width)
        return rows if len(shape) == 1 else rows.unflatten(-1, shape)


# --- The state of humanoids and their objects, as motions describe it -----------------------------------------------


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


# --- What the simulator's state and a motion library's frames have in common ----------------------------------------


class BodyState(Protocol):
    """N humanoids and their objects.

    root_pos (N, 3) [m], root_quat (N, 4), joint_rot (N, J, 3) exp-maps [rad], joint_vel (N, J, 3) [rad/s],
    body_pos (N, B, 3), object_pos, object_lin_vel (N, K, 3).
    """

    @property
    def root_pos(self) -> Tensor: ...
    @property
    def root_quat(self) -> Tensor: ...
    @property
    def joint_rot(self) -> Tensor: ...
    @property
    def joint_vel(self) -> Tensor: ...
    @property
    def body_pos(self) -> Tensor: ...
    @property
    def object_pos(self) -> Tensor: ...
    @property
    def object_lin_vel(self) -> Tensor: ...
