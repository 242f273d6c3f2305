"""Rotation helpers on torch tensors.

Quaternions are wxyz; every function takes any leading batch shape. Rotation vectors ("exp-maps") are axis
times angle in radians.
"""

import math

import torch
from torch import Tensor

# Below this angle [rad] the exp-map series is exact to float32.
_SMALL_ANGLE = 1e-4


def quat_mul(a: Tensor, b: Tensor, dim: int = -1) -> Tensor:
    """Hamilton product a b, (..., 4): rotates by b first, then by a. dim: the axis of the components."""
    aw, ax, ay, az = a.unbind(dim)
    bw, bx, by, bz = b.unbind(dim)
    return torch.stack(
        (
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ),
        dim=dim,
    )


def quat_conj(q: Tensor) -> Tensor:
    """Conjugate, the inverse of a unit quaternion, (..., 4)."""
    return torch.cat((q[..., :1], -q[..., 1:]), dim=-1)


def quat_rotate(q: Tensor, v: Tensor, dim: int = -1) -> Tensor:
    """Vectors v (..., 3) turned by the unit quaternions q (..., 4). dim: the axis of the components."""
    w, u = q.narrow(dim, 0, 1), q.narrow(dim, 1, 3)
    t = 2.0 * cross(u, v, dim)
    return v + w * t + cross(u, t, dim)


def cross(a: Tensor, b: Tensor, dim: int = -1) -> Tensor:
    """Cross product, broadcast; several times as fast as torch's where dim is the first axis."""
    ax, ay, az = a.unbind(dim)
    bx, by, bz = b.unbind(dim)
    return torch.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), dim=dim)


def quat_rotate_inverse(q: Tensor, v: Tensor) -> Tensor:
    """Vectors v (..., 3) turned by the inverse of the unit quaternions q (..., 4)."""
    return quat_rotate(quat_conj(q), v)


def normalize(q: Tensor) -> Tensor:
    """Unit quaternions along q, (..., 4); a zero quaternion stays zero."""
    return q / q.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def exp_to_quat(r: Tensor) -> Tensor:
    """Unit quaternions of the rotation vectors r, (..., 3) [rad] -> (..., 4)."""
    angle = r.norm(dim=-1, keepdim=True)
    plain = torch.sin(angle / 2) / angle.clamp_min(1e-12)
    scale = torch.where(angle < _SMALL_ANGLE, 0.5 - angle**2 / 48.0, plain)
    return torch.cat((torch.cos(angle / 2), r * scale), dim=-1)


def quat_to_exp(q: Tensor) -> Tensor:
    """Rotation vectors of unit quaternions, (..., 4) -> (..., 3) [rad], angle in [0, pi]."""
    q = torch.where(q[..., :1] < 0, -q, q)
    sine = q[..., 1:].norm(dim=-1, keepdim=True)
    angle = 2.0 * torch.atan2(sine, q[..., :1])
    scale = torch.where(sine < _SMALL_ANGLE, 2.0 / q[..., :1].clamp_min(0.5), angle / sine.clamp_min(1e-12))
    return q[..., 1:] * scale


def quat_angle(q: Tensor) -> Tensor:
    """Rotation angle of unit quaternions, (..., 4) -> (...), in [0, pi] rad."""
    return 2.0 * torch.atan2(q[..., 1:].norm(dim=-1), q[..., 0].abs())


def quat_from_yaw(yaw: Tensor) -> Tensor:
    """Rotations about the vertical by yaw (...) [rad] -> (..., 4)."""
    zero = torch.zeros_like(yaw)
    return torch.stack((torch.cos(yaw / 2), zero, zero, torch.sin(yaw / 2)), dim=-1)


def heading(q: Tensor) -> Tensor:
    """Yaw of the image of the x axis under q, (..., 4) -> (...) in [-pi, pi] rad.

    The mocap skeleton rests y-up, so its x axis is the left-right axis: still a valid yaw.
    """
    w, x, y, z = q.unbind(-1)
    return torch.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def heading_inverse(q: Tensor) -> Tensor:
    """Rotation about the vertical that undoes the heading of q, (..., 4) -> (..., 4)."""
    return quat_from_yaw(-heading(q))


def tan_norm(q: Tensor) -> Tensor:
    """Six-number rotation feature: images of the x axis and of the z axis, (..., 4) -> (..., 6)."""
    w, x, y, z = q.unbind(-1)
    w2, x2, y2, z2 = (2.0 * q).unbind(-1)
    yy, xz, wy = y2 * y, x2 * z, w2 * y
    return torch.stack(
        (
            1 - (yy + z2 * z),
            x2 * y + w2 * z,
            xz - wy,
            xz + wy,
            y2 * z - w2 * x,
            1 - (x2 * x + yy),
        ),
        dim=-1,
    )


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation from a to b, (..., 4); t broadcasts against (...,) in [0, 1]."""
    step = quat_to_exp(normalize(quat_mul(quat_conj(a), b)))
    return normalize(quat_mul(a, exp_to_quat(step * t[..., None])))


def smooth_signs(q: Tensor) -> Tensor:
    """A quaternion sequence (T, 4) with signs flipped so that neighbours lie on one hemisphere."""
    flips = torch.ones(len(q), dtype=q.dtype, device=q.device)
    flips[1:] = torch.where((q[1:] * q[:-1]).sum(-1) < 0, -1.0, 1.0)
    return q * flips.cumprod(0)[:, None]


def wrap_angle(angle: Tensor) -> Tensor:
    """Angles wrapped into [-pi, pi) rad."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
