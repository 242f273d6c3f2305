"""Forward kinematics of a skeleton."""

import functools

import torch
from torch import Tensor

from motions.rotations import exp_to_quat, quat_mul, quat_rotate
from motions.skeleton import Skeleton


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
    local_quat = torch.cat((root_quat.unsqueeze(-2), exp_to_quat(joint_rot)), dim=-2)
    offsets = torch.as_tensor(skeleton.offsets, dtype=root_pos.dtype, device=root_pos.device)
    quat = torch.empty_like(local_quat)
    pos = torch.empty((*local_quat.shape[:-1], 3), dtype=root_pos.dtype, device=root_pos.device)
    quat[..., 0, :], pos[..., 0, :] = root_quat, root_pos
    for children, parents in _levels(skeleton):
        parent_quat = quat[..., parents, :]
        quat[..., children, :] = quat_mul(parent_quat, local_quat[..., children, :])
        pos[..., children, :] = pos[..., parents, :] + quat_rotate(parent_quat, offsets[children])
    return pos, quat


@functools.cache
def _levels(skeleton: Skeleton) -> list[tuple[list[int], list[int]]]:
    """Bodies of equal depth with their parents, so that one batched step does a whole level."""
    depth = [0] * skeleton.num_bodies
    for body, parent in enumerate(skeleton.parents):
        if parent >= 0:
            depth[body] = depth[parent] + 1
    levels = []
    for level in range(1, max(depth) + 1):
        children = [body for body in range(skeleton.num_bodies) if depth[body] == level]
        levels.append((children, [skeleton.parents[body] for body in children]))
    return levels
