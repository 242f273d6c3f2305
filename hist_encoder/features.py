"""What the history encoder sees of one frame.

Columns: root height (1) | positions of bodies 1 .. B-1 relative to body 0, in the heading frame (3 each)
| joint exp-maps (3 each) | position of each object in the heading frame, with its height above the ground
(3 each). For the mocap skeleton with one object that is 316 numbers. Turning or moving the whole world
over the ground changes none of them, so recorded frames and live states mean the same. Source:
SkillMimic-V2 (arXiv 2505.02094), history encoder.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import heading, quat_to_exp

FEATURE_VERSION = 1
"""Grows whenever the columns or their meaning change."""

ReferenceHeading = Literal["true", "exp_map"]
"""How recorded frames are turned: see `reference_features`."""


def feature_width(num_bodies: int, object_slots: int) -> int:
    """Width of a frame: 316 for 53 bodies and one object, 364 for 61 and one."""
    return 1 + 6 * (num_bodies - 1) + 3 * object_slots


def frame_features(
    root_pos: Tensor,
    root_quat: Tensor,
    body_pos: Tensor,
    joint_rot: Tensor,
    object_pos: Tensor,
    object_slots: int | None = None,
) -> Tensor:
    """Features of states or reference frames.

    Args:
        root_pos: (..., 3) world [m].
        root_quat: (..., 4) wxyz.
        body_pos: (..., B, 3) world [m]; body 0 is the root.
        joint_rot: (..., B-1, 3) exp-maps [rad].
        object_pos: (..., K, 3) world [m].
        object_slots: room for this many objects, zeros where there are fewer; K when left out.

    Returns:
        (..., 1 + 6 (B - 1) + 3 object_slots).

    Raises:
        ValueError: fewer slots than objects.
    """
    return _features(heading(root_quat), root_pos, body_pos, joint_rot, object_pos, object_slots)


def reference_features(
    library: MotionLibrary,
    object_slots: int | None = None,
    reference_heading: ReferenceHeading = "true",
    num_objects: int | None = None,
) -> Tensor:
    """Features of all F frames of a library, (F, D); a missing frame is all zeros.

    Args:
        library: the clips.
        object_slots: as in `frame_features`.
        reference_heading: "exp_map" takes each frame's heading as the released code did, from the root's
            exp-map read as a quaternion; encoders released with it expect that in recorded frames (never
            in live states).
        num_objects: how many of the clips' objects count; the others are left out as if there were none.
    """
    frames = library.reference(torch.arange(library.num_frames, device=library.device))
    turned = reference_heading == "exp_map"
    yaw = exp_map_heading(quat_to_exp(frames.root_quat)) if turned else heading(frames.root_quat)
    objects = frames.object_pos[:, :num_objects]
    return _features(yaw, frames.root_pos, frames.body_pos, frames.joint_rot, objects, object_slots)


def exp_map_heading(root_rot: Tensor) -> Tensor:
    """The heading that the released code found for an exp-map (..., 3) [rad]; not a heading, (...) [rad].

    It read the three numbers as a quaternion whose vector part is the exp-map and whose scalar part is
    its last number once more, without normalising.
    """
    x, y, z = root_rot.unbind(-1)
    return torch.atan2(2 * (z * z + x * y), 2 * (z * z + x * x) - 1)


def _features(
    yaw: Tensor,
    root_pos: Tensor,
    body_pos: Tensor,
    joint_rot: Tensor,
    object_pos: Tensor,
    object_slots: int | None,
) -> Tensor:
    objects = object_pos.shape[-2]
    slots = objects if object_slots is None else object_slots
    if slots < objects:
        raise ValueError(f"{objects} objects do not fit into {slots} slots of the history features")
    over_ground = torch.cat((root_pos[..., :2], torch.zeros_like(root_pos[..., 2:])), dim=-1)
    vectors = (body_pos[..., 1:, :] - body_pos[..., :1, :], object_pos - over_ground.unsqueeze(-2))
    turned = torch.cat(vectors, dim=-2) @ _heading_rotation(yaw)
    bodies = body_pos.shape[-2] - 1
    columns = (
        root_pos[..., 2:],
        turned[..., :bodies, :].flatten(-2),
        joint_rot.flatten(-2),
        turned[..., bodies:, :].flatten(-2),
    )
    return pad(torch.cat(columns, dim=-1), (0, 3 * (slots - objects)))


def _heading_rotation(yaw: Tensor) -> Tensor:
    """Matrices (..., 3, 3) that turn row vectors of the world into the heading frame."""
    cos, sin = torch.cos(yaw), torch.sin(yaw)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    rows = (cos, -sin, zero, sin, cos, zero, zero, zero, one)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
