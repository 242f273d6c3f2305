"""Where the collision shapes of a moving skeleton are; for judging clips."""

import math

import torch
from torch import Tensor

from hoigym.motions.clip import Clip
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.rotations import exp_to_quat, quat_rotate
from hoigym.motions.skeleton import Shape, load_skeleton

MOCAP = load_skeleton("mocap")


def body_poses(clip: Clip) -> tuple[Tensor, Tensor]:
    """World positions (T, B, 3) and orientations (T, B, 4), float64."""
    root_pos, root_rot, joint_rot = (
        torch.tensor(array).double() for array in (clip.root_pos, clip.root_rot, clip.joint_rot)
    )
    return forward_kinematics(MOCAP, root_pos, exp_to_quat(root_rot), joint_rot)


def sole_corners(clip: Clip, side: str) -> Tensor:
    """World positions of the corners of a foot's two boxes, (T, 16, 3)."""
    pos, quat = body_poses(clip)
    corners = []
    for name in (f"{side}_Ankle", f"{side}_Toe"):
        body = MOCAP.index(name)
        shape = MOCAP.bodies[body].shape
        for signs in torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3):
            local = torch.tensor(shape.pos) + signs * torch.tensor(shape.size)
            corners.append(pos[:, body] + quat_rotate(quat[:, body], local.expand(len(pos), 3)))
    return torch.stack(corners, dim=1)


def ends(clip: Clip, body: int) -> tuple[Tensor, Tensor]:
    """World end points (T, 3) of a body's capsule, or its centre twice."""
    pos, quat = body_poses(clip)
    shape = MOCAP.bodies[body].shape
    points = (shape.fromto[:3], shape.fromto[3:]) if shape.fromto else (shape.pos, shape.pos)
    first, second = (
        pos[:, body] + quat_rotate(quat[:, body], torch.tensor(point).double().expand(len(pos), 3)) for point in points
    )
    return first, second


def lowest_point(clip: Clip) -> float:
    """Height of the lowest point of any capsule or sphere over the whole clip [m]."""
    heights = []
    for body, entry in enumerate(MOCAP.bodies):
        if entry.shape.type in ("capsule", "sphere"):
            heights += [float(end[:, 2].min()) - entry.shape.size[0] for end in ends(clip, body)]
    return min(heights)


def hand_gap(clip: Clip, ball_radius: float) -> Tensor:
    """Distance between the ball's surface and the nearest hand shape, negative inside, (T,) [m]."""
    ball = torch.tensor(clip.object_pos[:, 0]).double()
    gaps = []
    for body in MOCAP.hands:
        first, second = ends(clip, body)
        along = second - first
        share = (((ball - first) * along).sum(-1) / (along**2).sum(-1)).clamp(0, 1)
        distance = (ball - first - share[:, None] * along).norm(dim=-1)
        gaps.append(distance - ball_radius - MOCAP.bodies[body].shape.size[0])
    return torch.stack(gaps).amin(0)


def centre_of_mass(clip: Clip) -> Tensor:
    """Of all shapes, (T, 3) [m]."""
    pos, quat = body_poses(clip)
    mass = torch.tensor([_volume(body.shape) * body.shape.density for body in MOCAP.bodies], dtype=torch.float64)
    centre = torch.tensor([_centre(body.shape) for body in MOCAP.bodies], dtype=torch.float64)
    weighted = mass[:, None] * (pos + quat_rotate(quat, centre.expand_as(pos)))
    return weighted.sum(1) / mass.sum()


def _centre(shape: Shape) -> tuple[float, ...]:
    if not shape.fromto:
        return shape.pos
    return tuple((a + b) / 2 for a, b in zip(shape.fromto[:3], shape.fromto[3:], strict=True))


def _volume(shape: Shape) -> float:
    radius = shape.size[0]
    if shape.type == "box":
        return 8 * math.prod(shape.size)
    length = math.dist(shape.fromto[:3], shape.fromto[3:]) if shape.fromto else 0.0
    return math.pi * radius**2 * length + 4 / 3 * math.pi * radius**3
