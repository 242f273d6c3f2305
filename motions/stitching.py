"""Laying a linked frame over the frame it is linked from, and bridging what is left between them."""

import torch
from torch import Tensor

from motions.rotations import heading, quat_from_yaw, quat_mul, quat_rotate
from motions.state import MotionState

MAX_BUFFER_FRAMES = 10


def align(linked: MotionState, root_pos: Tensor, root_quat: Tensor) -> MotionState:
    """The linked state with the heading and the x, y of other roots; heights stay.

    Everything is turned as one about the vertical through the linked root: objects move with the humanoid,
    linear and angular velocities and object orientations turn along (SkillMimic-V2, stitched trajectory
    graph; its released code leaves the velocities and object orientations as they were).

    Args:
        linked: R states.
        root_pos, root_quat: (R, 3) [m], (R, 4) wxyz, where the roots shall be and face.
    """
    turn = quat_from_yaw(heading(root_quat) - heading(linked.root_quat))
    of_objects = turn[:, None].expand_as(linked.object_quat)
    moved = torch.cat((root_pos[:, :2], linked.root_pos[:, 2:]), dim=1)
    from_root = quat_rotate(of_objects, linked.object_pos - linked.root_pos[:, None])
    return MotionState(
        root_pos=moved,
        root_quat=quat_mul(turn, linked.root_quat),
        root_lin_vel=quat_rotate(turn, linked.root_lin_vel),
        root_ang_vel=quat_rotate(turn, linked.root_ang_vel),
        joint_rot=linked.joint_rot,
        joint_vel=linked.joint_vel,
        object_pos=moved[:, None] + from_root,
        object_quat=quat_mul(of_objects, linked.object_quat),
        object_lin_vel=quat_rotate(of_objects, linked.object_lin_vel),
        object_ang_vel=quat_rotate(of_objects, linked.object_ang_vel),
    )


def buffer_frames(similarity: Tensor) -> Tensor:
    """Frames that the reference waits after a start of the given similarity, (...) -> (...) int64.

    N = min(-floor(log10 S), 10) (SkillMimic-V2, buffer nodes); none where S is 0: no other start was taken.
    """
    decades = -torch.log10(similarity.clamp_min(1e-30)).floor()
    return torch.where(similarity > 0, decades, 0.0).clamp(0, MAX_BUFFER_FRAMES).long()
