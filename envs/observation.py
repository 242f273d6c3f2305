"""What the policy sees: the humanoid and the objects in the humanoid's own heading.

The heading frame stands below the root with z up and its x axis along the root's heading (yaw of the image of
the x axis). Everything in an observation is in that frame, so turning or moving the whole world over the
ground changes nothing. Formulas: SkillMimic (arXiv 2408.15270) and SkillMimic-V2 (arXiv 2505.02094),
proprioception and object state.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hoigym.motions.rotations import heading, tan_norm

NUM_FINGERTIPS = 10
OBJECT_WIDTH = 15
_OBJECT_PARTS = {"pos": 3, "rot": 6, "lin_vel": 3, "ang_vel": 3}


class Turn(NamedTuple):
    """Cosine and sine (N, 1) of a heading."""

    cos: Tensor
    sin: Tensor


def heading_turn(root_quat: Tensor) -> Turn:
    """Heading of roots (N, 4) wxyz, for blocks that shall not each compute it."""
    yaw = heading(root_quat)[:, None]
    return Turn(torch.cos(yaw), torch.sin(yaw))


def humanoid_width(num_bodies: int) -> int:
    """Width of the humanoid block: 823 for 53 bodies, 943 for 61."""
    return 1 + 3 * (num_bodies - 1) + 12 * num_bodies + 3 * NUM_FINGERTIPS


def observation_slices(num_bodies: int, object_slots: int, **extra_widths: int) -> dict[str, slice]:
    """Where everything stands in an observation.

    Args:
        num_bodies: B of the skeleton.
        object_slots: how many objects the observation has room for.
        extra_widths: name=width of the blocks that follow, in order (such as condition=64, history=3).

    Returns:
        Name -> slice of the last axis, in order and without gaps: root_height, body_pos, body_rot,
        body_lin_vel, body_ang_vel, fingertip_force, then object0_pos, object0_rot, object0_lin_vel,
        object0_ang_vel, object1_pos, ..., then the extra blocks.
    """
    widths = {
        "root_height": 1,
        "body_pos": 3 * (num_bodies - 1),
        "body_rot": 6 * num_bodies,
        "body_lin_vel": 3 * num_bodies,
        "body_ang_vel": 3 * num_bodies,
        "fingertip_force": 3 * NUM_FINGERTIPS,
    }
    for slot in range(object_slots):
        widths |= {f"object{slot}_{part}": width for part, width in _OBJECT_PARTS.items()}
    slices, start = {}, 0
    for name, width in (widths | extra_widths).items():
        slices[name] = slice(start, start + width)
        start += width
    return slices


def humanoid_observation(
    body_pos: Tensor,
    body_quat: Tensor,
    body_lin_vel: Tensor,
    body_ang_vel: Tensor,
    fingertip_force: Tensor,
    force_frame: Literal["heading", "world"] = "heading",
    turn: Turn | None = None,
) -> Tensor:
    """The humanoid block.

    Columns: root height above the ground (1) | positions of bodies 1 .. B-1 relative to the root (3 each) |
    rotations of all bodies, six numbers each (images of x and z axis) | linear velocities (3 each) | angular
    velocities (3 each) | contact forces on the ten finger tips (3 each). All but the height are vectors in
    the heading frame.

    Args:
        body_pos: (N, B, 3) world [m]; body 0 is the root.
        body_quat: (N, B, 4) wxyz, world.
        body_lin_vel: (N, B, 3) world [m/s].
        body_ang_vel: (N, B, 3) world [rad/s].
        fingertip_force: (N, 10, 3) net contact force, world [N].
        force_frame: "world" leaves the forces unturned, as the released policies had them.
        turn: the root's, computed here when left out.

    Returns:
        (N, 15 B + 28).
    """
    parts = (
        body_pos[:, 0, 2:],
        body_pos[:, 1:] - body_pos[:, :1],
        tan_norm(body_quat),
        body_lin_vel,
        body_ang_vel,
        fingertip_force,
    )
    block = torch.cat([part.flatten(1) for part in parts], dim=1)
    turned = block[:, 1:] if force_frame == "heading" else block[:, 1 : -3 * NUM_FINGERTIPS]
    _turn(turned, turn or heading_turn(body_quat[:, 0]))
    return block


def object_observation(
    root_pos: Tensor,
    root_quat: Tensor,
    object_pos: Tensor,
    object_quat: Tensor,
    object_lin_vel: Tensor,
    object_ang_vel: Tensor,
    slots: int | None = None,
    turn: Turn | None = None,
) -> Tensor:
    """The object block, 15 numbers a slot.

    Columns of a slot: position over the ground relative to the root, then height above the ground (3) |
    rotation, images of x and z axis (6) | linear velocity (3) | angular velocity (3); in the heading frame.

    Args:
        root_pos: (N, 3) world [m].
        root_quat: (N, 4) wxyz.
        object_pos, object_lin_vel, object_ang_vel: (N, K, 3) world [m, m/s, rad/s].
        object_quat: (N, K, 4) wxyz, world.
        slots: room for this many objects, zeros where there are fewer, so that a task without a ball keeps
            the width of one with it; K when left out.
        turn: the root's, computed here when left out.

    Returns:
        (N, 15 slots).

    Raises:
        ValueError: fewer slots than objects.
    """
    objects = object_pos.shape[1]
    slots = objects if slots is None else slots
    if slots < objects:
        raise ValueError(f"{objects} objects do not fit into {slots} observation slots")
    beside = torch.cat((root_pos[:, :2], torch.zeros_like(root_pos[:, 2:])), dim=1)[:, None]
    parts = (object_pos - beside, tan_norm(object_quat), object_lin_vel, object_ang_vel)
    block = torch.cat(parts, dim=2).flatten(1)
    _turn(block, turn or heading_turn(root_quat))
    return torch.nn.functional.pad(block, (0, OBJECT_WIDTH * (slots - objects)))


def turn_into_heading(vectors: Tensor, root_quat: Tensor) -> None:
    """Turns world vectors, (N, 3 V) row by row, into the heading frames of the roots (N, 4), in place.

    Number by number and not as a matrix product, which a GPU may round to ten bits (TF32).
    """
    _turn(vectors, heading_turn(root_quat))


def _turn(vectors: Tensor, turn: Turn) -> None:
    cos, sin = turn
    x, y = vectors[:, 0::3], vectors[:, 1::3]
    ahead, left = torch.addcmul(cos * x, sin, y), torch.addcmul(cos * y, -sin, x)
    x.copy_(ahead)
    y.copy_(left)
