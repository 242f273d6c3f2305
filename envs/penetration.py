"""How deep hands are inside balls in reference frames."""

import numpy as np
import torch
from torch import Tensor

from motions.kinematics import forward_kinematics
from motions.rotations import quat_rotate
from motions.skeleton import Skeleton


def hand_ball_penetration(
    skeleton: Skeleton,
    root_pos: Tensor,
    root_quat: Tensor,
    joint_rot: Tensor,
    ball_pos: Tensor,
    radius: float,
) -> Tensor:
    """Deepest overlap of the hands' capsules with a ball.

    Args:
        skeleton: body table with J joints.
        root_pos, root_quat, joint_rot: poses (F, 3) [m], (F, 4), (F, J, 3) [rad].
        ball_pos: (F, 3) centre of the ball [m].
        radius: of the ball [m].

    Returns:
        (F,) depth [m]; negative where the nearest hand surface is that far from the ball.
    """
    body_pos, body_quat = forward_kinematics(skeleton, root_pos, root_quat, joint_rot)
    capsules = [body for body in skeleton.hands if skeleton.bodies[body].shape.type == "capsule"]
    shapes = [skeleton.bodies[body].shape for body in capsules]
    ends = torch.as_tensor(np.array([shape.fromto for shape in shapes]), dtype=root_pos.dtype, device=root_pos.device)
    radii = ends.new_tensor([shape.size[0] for shape in shapes])
    start = body_pos[:, capsules] + quat_rotate(body_quat[:, capsules], ends[:, :3])
    end = body_pos[:, capsules] + quat_rotate(body_quat[:, capsules], ends[:, 3:])
    distance = _segment_distance(ball_pos.unsqueeze(1), start, end)
    return (radius + radii - distance).amax(dim=1)


def _segment_distance(point: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Distance [m] of points (..., 3) from segments."""
    along = end - start
    share = ((point - start) * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)
    return (point - start - share.clamp(0, 1).unsqueeze(-1) * along).norm(dim=-1)
