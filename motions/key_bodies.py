"""Where the key bodies of a state are and how fast they move."""

import functools

import torch
from torch import Tensor

from motions.kinematics import forward_kinematics
from motions.rotations import quat_rotate
from motions.skeleton import Skeleton
from motions.state import MotionState


def key_body_motion(skeleton: Skeleton, state: MotionState) -> tuple[Tensor, Tensor]:
    """Positions [m] and linear velocities [m/s] of the P key bodies of R states, world: (R, P, 3) each."""
    body_pos, body_quat = forward_kinematics(skeleton, state.root_pos, state.root_quat, state.joint_rot)
    # Each body turns about its origin against its parent, the root against the world.
    turning = torch.cat((state.root_ang_vel[:, None], quat_rotate(body_quat[:, 1:], state.joint_vel)), dim=1)
    key = list(skeleton.key_bodies)
    from_root = body_pos - state.root_pos[:, None]
    # v = v_root + sum of w_a x (p - p_a) over the chain; sums of w_a and of w_a x p_a are matrix products.
    chain = _chains(skeleton).to(body_pos)
    total = chain @ turning
    moment = chain @ torch.linalg.cross(turning, from_root)
    velocity = state.root_lin_vel[:, None] + torch.linalg.cross(total, from_root[:, key]) - moment
    return body_pos[:, key], velocity


@functools.cache
def _chains(skeleton: Skeleton) -> Tensor:
    """(P, B) 1 where a body is on the way from the root to a key body, which is included."""
    chains = torch.zeros(len(skeleton.key_bodies), skeleton.num_bodies)
    for row, body in enumerate(skeleton.key_bodies):
        while body >= 0:
            chains[row, body] = 1.0
            body = skeleton.parents[body]
    return chains
