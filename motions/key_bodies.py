"""Where the key bodies of a state are and how fast they move."""

import functools

import torch
from torch import Tensor

from motions.kinematics import body_velocities, forward_kinematics
from motions.skeleton import Skeleton
from motions.state import MotionState


def key_body_motion(skeleton: Skeleton, state: MotionState) -> tuple[Tensor, Tensor]:
    """Positions [m] and linear velocities [m/s] of the P key bodies of R states, world: (R, P, 3) each."""
    body_pos, body_quat = forward_kinematics(skeleton, state.root_pos, state.root_quat, state.joint_rot)
    body_vel, _ = body_velocities(
        skeleton, body_pos, body_quat, state.root_lin_vel, state.root_ang_vel, state.joint_vel
    )
    key = _key_bodies(skeleton, body_pos.device)
    return body_pos[:, key], body_vel[:, key]


@functools.cache
def _key_bodies(skeleton: Skeleton, device: torch.device) -> Tensor:
    """Indices (P,), kept on the device: to send them there at every call would stall a GPU."""
    return torch.tensor(skeleton.key_bodies, device=device)
