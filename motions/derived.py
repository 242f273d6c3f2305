"""What follows from a clip's poses: quaternions, body positions and velocities."""

import torch
from torch import Tensor

from motions.clip import Clip, ClipError
from motions.kinematics import forward_kinematics
from motions.rotations import exp_to_quat, quat_conj, quat_mul, quat_rotate, quat_to_exp, smooth_signs
from motions.skeleton import Skeleton


def derive_frames(clip: Clip, skeleton: Skeleton, stored_bodies: bool) -> dict[str, Tensor]:
    """Everything a library keeps of a clip, float64, by the names of `Frames`; (T, ...) each.

    Missing frames keep their zeros (identity orientation). Raises ClipError if stored_bodies is asked of a
    clip without them.
    """
    missing = torch.from_numpy(clip.missing)
    pose = {name: torch.from_numpy(array.copy()).double() for name, array in clip.arrays().items()}
    root_quat = smooth_signs(exp_to_quat(pose["root_rot"]))
    joint_quat = exp_to_quat(pose["joint_rot"])
    object_quat = _smooth_object_signs(exp_to_quat(pose["object_rot"]))
    body_pos = _body_positions(clip, skeleton, pose, root_quat, missing, stored_bodies)

    def linear(position: Tensor) -> Tensor:
        return _rate(position[1:] - position[:-1], clip.fps, missing)

    return {
        "root_pos": pose["root_pos"],
        "root_quat": root_quat,
        "root_lin_vel": linear(pose["root_pos"]),
        "root_ang_vel": _rate(_turn_world(root_quat), clip.fps, missing),
        "joint_rot": pose["joint_rot"],
        "joint_vel": _rate(_turn_local(joint_quat), clip.fps, missing),
        "body_pos": body_pos,
        "body_lin_vel": linear(body_pos),
        "object_pos": pose["object_pos"],
        "object_quat": object_quat,
        "object_lin_vel": linear(pose["object_pos"]),
        "object_ang_vel": _rate(_turn_world(object_quat), clip.fps, missing),
        "contact": pose["contact"],
    }


def _smooth_object_signs(quat: Tensor) -> Tensor:
    """`smooth_signs` for every object of (T, K, 4)."""
    return torch.cat([quat[:, :0], *(smooth_signs(one)[:, None] for one in quat.unbind(1))], dim=1)


def _body_positions(
    clip: Clip, skeleton: Skeleton, pose: dict[str, Tensor], root_quat: Tensor, missing: Tensor, stored: bool
) -> Tensor:
    if stored:
        if "body_pos" not in pose:
            raise ClipError(f"clip '{clip.name}'", "stores no body positions; use body_positions: kinematics")
        return pose["body_pos"]
    body_pos, _ = forward_kinematics(skeleton, pose["root_pos"], root_quat, pose["joint_rot"])
    body_pos[missing] = 0.0
    return body_pos


def _turn_local(quat: Tensor) -> Tensor:
    """Rotation vectors from each frame to the next, in the moving frame: (T, ..., 4) -> (T-1, ..., 3)."""
    return quat_to_exp(quat_mul(quat_conj(quat[:-1]), quat[1:]))


def _turn_world(quat: Tensor) -> Tensor:
    """Rotation vectors from each frame to the next, in the world frame: (T, ..., 4) -> (T-1, ..., 3)."""
    return quat_rotate(quat[:-1], _turn_local(quat))


def _rate(step: Tensor, fps: float, missing: Tensor) -> Tensor:
    """Velocities (T, ...) from steps (T-1, ...); zero at frame 0, carried across missing frames (T,)."""
    velocity = torch.cat((torch.zeros_like(step[:1]), step * fps))
    unknown = missing.clone()
    unknown[1:] |= missing[:-1]
    frames = torch.arange(len(velocity))
    source = torch.where(unknown, 0, frames).cummax(0).values
    return velocity[source]
