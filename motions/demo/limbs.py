"""Analytic inverse kinematics of arms and legs."""

import torch
from torch import Tensor

from motions.rotations import normalize

# A limb is never stretched quite straight: near there a joint turns infinitely fast.
_FULL_STRETCH = 0.999


def two_bone(first: Tensor, second: Tensor, hinge: Tensor, target: Tensor, pole: Tensor) -> tuple[Tensor, Tensor]:
    """Pose of a limb of two bones and a hinge between them that reaches a target.

    Args:
        first: (3,) from the limb's root to its hinge, in the upper bone's frame [m].
        second: (3,) from the hinge to the limb's end, in the lower bone's frame [m], which rests like the upper's.
        hinge: (3,) unit axis of positive bending, perpendicular to both bones.
        target: (T, 3) from the limb's root to where its end shall be, world [m]; out of reach is clamped.
        pole: (T, 3) world direction the hinge points to.

    Returns:
        World orientation of the upper bone (T, 4) wxyz and the hinge angle (T,) [rad].
    """
    length = first.norm() + second.norm()
    distance = target.norm(dim=-1).clamp_max(float(length) * _FULL_STRETCH)
    cosine = (distance**2 - first.dot(first) - second.dot(second)) / (2 * first.norm() * second.norm())
    rest = torch.atan2(torch.linalg.cross(first, second).dot(hinge), first.dot(second))
    angle = cosine.clamp(-1, 1).acos() - rest
    turned = torch.cos(angle)[:, None] * second + torch.sin(angle)[:, None] * torch.linalg.cross(hinge, second)
    local = normalize(first + turned)
    ahead = normalize(target)
    world_hinge = normalize(torch.linalg.cross(pole.expand_as(ahead), ahead))
    world_axes = _axes(ahead, world_hinge)
    local_axes = _axes(local, hinge.expand_as(local))
    return quat_from_matrix(world_axes @ local_axes.mT), angle


def _axes(first: Tensor, second: Tensor) -> Tensor:
    """Matrices (T, 3, 3) with the perpendicular unit columns first, second and their cross product."""
    return torch.stack((first, second, torch.linalg.cross(first, second)), dim=-1)


def quat_from_matrix(matrix: Tensor) -> Tensor:
    """Unit quaternions of rotation matrices (..., 3, 3) -> (..., 4) wxyz."""
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    signs = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=matrix.dtype, device=matrix.device)
    squares = 1 + diagonal @ signs.T  # four times w^2, x^2, y^2, z^2
    minus = torch.stack([matrix[..., j, i] - matrix[..., i, j] for i, j in ((1, 2), (2, 0), (0, 1))], dim=-1)
    plus = torch.stack([matrix[..., j, i] + matrix[..., i, j] for i, j in ((1, 2), (2, 0), (0, 1))], dim=-1)
    (mx, my, mz), (px, py, pz) = minus.unbind(-1), plus.unbind(-1)
    w, x, y, z = squares.unbind(-1)
    outer = ((w, mx, my, mz), (mx, x, pz, py), (my, pz, y, px), (mz, py, px, z))  # 4 q_i q_j
    rows = torch.stack([torch.stack(row, dim=-1) for row in outer], dim=-2)
    best = squares.argmax(dim=-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    return normalize(rows.gather(-2, best).squeeze(-2))


def twist_about(q: Tensor, axis: int) -> Tensor:
    """The part of rotations q (..., 4) that turns about a coordinate axis (0, 1, 2), first in q = twist swing."""
    twist = torch.zeros_like(q)
    twist[..., 0], twist[..., 1 + axis] = q[..., 0], q[..., 1 + axis]
    return normalize(twist)
