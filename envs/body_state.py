"""What the simulator's state and a motion library's frames have in common."""

from typing import Protocol

from torch import Tensor


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
