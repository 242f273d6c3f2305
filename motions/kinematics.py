"""Forward kinematics of a skeleton, and the motion of its key bodies."""

import functools

import torch
from torch import Tensor

from hoigym.motions.rotations import cross, exp_to_quat, quat_mul, quat_rotate
from hoigym.motions.skeleton import Skeleton
from hoigym.motions.state import MotionState


def forward_kinematics(
    skeleton: Skeleton, root_pos: Tensor, root_quat: Tensor, joint_rot: Tensor
) -> tuple[Tensor, Tensor]:
    """World pose of every body.

    Args:
        skeleton: B bodies, J = B - 1 joints.
        root_pos: (..., 3) [m].
        root_quat: (..., 4) wxyz.
        joint_rot: (..., J, 3) exp-maps of the child in the parent frame [rad].

    Returns:
        Body positions (..., B, 3) [m] and orientations (..., B, 4) wxyz.
    """
    return chain_kinematics(skeleton, root_pos, root_quat, exp_to_quat(joint_rot))


def chain_kinematics(
    skeleton: Skeleton, root_pos: Tensor, root_quat: Tensor, joint_quat: Tensor
) -> tuple[Tensor, Tensor]:
    """As `forward_kinematics`, from joint quaternions (..., J, 4)."""
    local_quat = _components_first(torch.cat((root_quat.unsqueeze(-2), joint_quat), dim=-2))
    offsets = _offsets(skeleton, root_pos.dtype, root_pos.device)
    quat, pos = torch.empty_like(local_quat), torch.empty_like(local_quat[:3])
    quat[:, 0], pos[:, 0] = local_quat[:, 0], root_pos.reshape(-1, 3).T
    for children, parents in _levels(skeleton, root_pos.device):
        parent_quat = quat[:, parents]
        quat[:, children] = quat_mul(parent_quat, local_quat[:, children], dim=0)
        pos[:, children] = pos[:, parents] + quat_rotate(parent_quat, offsets[:, children], dim=0)
    return _components_last(pos, root_pos.shape[:-1]), _components_last(quat, root_pos.shape[:-1])


def body_velocities(
    skeleton: Skeleton,
    body_pos: Tensor,
    body_quat: Tensor,
    root_lin_vel: Tensor,
    root_ang_vel: Tensor,
    joint_vel: Tensor,
) -> tuple[Tensor, Tensor]:
    """World velocities of every body frame.

    Args:
        skeleton: B bodies, J = B - 1 joints.
        body_pos, body_quat: (..., B, 3) [m] and (..., B, 4), as `forward_kinematics` gives them.
        root_lin_vel, root_ang_vel: (..., 3) world [m/s], [rad/s].
        joint_vel: (..., J, 3) of the child against its parent, in the child frame [rad/s].

    Returns:
        Linear (..., B, 3) [m/s] and angular (..., B, 3) [rad/s] velocities.
    """
    quat, pos = _components_first(body_quat), _components_first(body_pos)
    # Each body turns about its own origin against its parent, the root against the world.
    turned = quat_rotate(quat[:, 1:], _components_first(joint_vel), dim=0)
    turning = torch.cat((root_ang_vel.reshape(-1, 3).T.unsqueeze(1), turned), dim=1)
    from_root = pos - pos[:, :1]
    # v = v_root + sum over the chain of w_a x (p - p_a); the sums of w_a and of w_a x p_a are matrix products.
    chain = _chain(skeleton, body_pos.dtype, body_pos.device)
    ang_vel = chain @ turning
    moment = chain @ cross(turning, from_root, dim=0)
    lin_vel = root_lin_vel.reshape(-1, 3).T.unsqueeze(1) + cross(ang_vel, from_root, dim=0) - moment
    batch = body_pos.shape[:-2]
    return _components_last(lin_vel, batch), _components_last(ang_vel, batch)


def _components_first(values: Tensor) -> Tensor:
    """(..., B, C) as (C, B, N), N the product of the leading dimensions: long rows, which vectorise well."""
    return values.reshape(-1, *values.shape[-2:]).permute(2, 1, 0).contiguous()


def _components_last(values: Tensor, batch: torch.Size) -> Tensor:
    """(C, B, N) as (*batch, B, C), without a copy where batch is one dimension."""
    return values.permute(2, 1, 0).reshape(*batch, values.shape[1], values.shape[0])


# What follows is kept on the device: to send it there at every call would stall a GPU.


@functools.cache
def _offsets(skeleton: Skeleton, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, B, 1) offset of every body from its parent [m]."""
    return torch.as_tensor(skeleton.offsets, dtype=dtype, device=device).T.unsqueeze(-1)


@functools.cache
def _chain(skeleton: Skeleton, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(B, B) 1 where the column's body is on the way from the root to the row's, which is included."""
    chain = torch.eye(skeleton.num_bodies)
    for body, parent in enumerate(skeleton.parents):
        if parent >= 0:
            chain[body] += chain[parent]
    return chain.to(device, dtype)


@functools.cache
def _levels(skeleton: Skeleton, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Bodies of equal depth with their parents, so that one batched step does a whole level."""
    depth = [0] * skeleton.num_bodies
    for body, parent in enumerate(skeleton.parents):
        if parent >= 0:
            depth[body] = depth[parent] + 1
    levels = []
    for level in range(1, max(depth) + 1):
        children = [body for body in range(skeleton.num_bodies) if depth[body] == level]
        parents = [skeleton.parents[body] for body in children]
        levels.append((torch.tensor(children, device=device), torch.tensor(parents, device=device)))
    return levels


# --- Where the key bodies of a state are and how fast they move -----------------------------------------------------


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
