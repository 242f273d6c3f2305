"""Figure of the demo clips: from where pelvis, feet and hands shall be to the joint angles of the 53-body humanoid.

Directions are the person's own while it faces ahead: left is +x, ahead is -y, up is +z of the world.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hoigym.motions.clip import Clip
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.rotations import (
    exp_to_quat,
    normalize,
    quat_conj,
    quat_from_yaw,
    quat_mul,
    quat_rotate,
    quat_to_exp,
)
from hoigym.motions.skeleton import load_skeleton

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


# --- From where pelvis, feet and hands shall be to the joint angles of the 53-body humanoid -------------------------


FPS = 60.0
BALL_RADIUS = 0.12
FLAT_ANKLE = 0.1186  # height of the ankle of a flat foot [m]
SIDES = ("L", "R")

_SKELETON = load_skeleton("mocap")
_SPINE = ("Torso", "Spine", "Spine2", "Chest")
_NECK = ("Neck", "Head")
_KNEE_HINGE = (1.0, 0.0, 0.0)
_ELBOW_HINGE = ((0.0, -1.0, 0.0), (0.0, 1.0, 0.0))
# Share of a forearm's turn about itself that the elbow joint takes; the wrist takes the rest.
_FOREARM_TWIST = 0.8


def clock(seconds: float) -> Tensor:
    """Frame times of a clip [s], (T,)."""
    return torch.arange(round(seconds * FPS), dtype=torch.float64) / FPS


def place(left: Tensor | float, ahead: Tensor | float, up: Tensor | float) -> Tensor:
    """World vectors (T, 3) or (3,) from the person's directions."""
    parts = [torch.as_tensor(part, dtype=torch.float64) for part in (left, ahead, up)]
    x, y, z = torch.broadcast_tensors(*parts)
    return torch.stack((x, -y, z), dim=-1)


def upright(lean: Tensor, sideways: Tensor | float = 0.0, yaw: Tensor | float = 0.0) -> Tensor:
    """World orientation of a body that stands, leaning ahead and to the left and turned to the left [rad],
    (T, 4).
    """
    sideways, yaw = (torch.as_tensor(angle, dtype=torch.float64).expand_as(lean) for angle in (sideways, yaw))
    stand = torch.full_like(lean, math.pi / 2)
    tilt = quat_mul(turn_about((1.0, 0.0, 0.0), lean), turn_about((0.0, 1.0, 0.0), sideways))
    return quat_mul(quat_from_yaw(yaw), quat_mul(tilt, turn_about((1.0, 0.0, 0.0), stand)))


def turn_about(axis: tuple[float, float, float], angle: Tensor) -> Tensor:
    """Rotations about a unit axis by angle (T,) [rad] -> (T, 4)."""
    return exp_to_quat(angle[:, None] * torch.tensor(axis, dtype=angle.dtype))


@dataclass(frozen=True)
class Foot:
    """ankle (T, 3) world [m]; pitch (T,) toes down and toe (T,) toe bent down [rad]; yaw to the left [rad].

    The knee points to where the foot does, and knee_up (T,) times as much upwards.
    """

    ankle: Tensor
    pitch: Tensor
    toe: Tensor
    yaw: float = 0.0
    knee_up: Tensor | float = 0.0


def planted(time: Tensor, left: float, ahead: float, yaw: float, knee_up: Tensor | float = 0.0) -> Foot:
    """A foot flat on the floor at every frame."""
    zero = torch.zeros_like(time)
    return Foot(place(left, ahead, FLAT_ANKLE).expand(len(time), 3), zero, zero, yaw, knee_up)


@dataclass(frozen=True)
class Arm:
    """wrist (T, 3) world [m], or from the shoulder; elbow (T, 3) or (3,) where the elbow points.

    hand: (T, 4) world orientation, or None for a hand in line with its forearm. curl: (T,) or a number, bend
    of every finger joint [rad].
    """

    wrist: Tensor
    elbow: Tensor
    hand: Tensor | None = None
    from_shoulder: bool = False
    curl: Tensor | float = 0.3


@dataclass(frozen=True)
class Figure:
    """T frames of a whole body. pelvis (T, 3), pelvis_quat (T, 4), world.

    spine, neck: (T, 3) rotation vectors shared by the joints of each, in the body's own axes (left, up,
    ahead). feet, arms: left then right.
    """

    pelvis: Tensor
    pelvis_quat: Tensor
    spine: Tensor
    neck: Tensor
    feet: tuple[Foot, Foot]
    arms: tuple[Arm, Arm]

    def joint_rot(self) -> Tensor:
        """Exp-maps of every joint, (T, 52, 3) [rad]."""
        rot = _bent_trunk(self.spine, self.neck)
        body_pos, body_quat = forward_kinematics(_SKELETON, self.pelvis, self.pelvis_quat, rot)
        for side, foot in enumerate(self.feet):
            _bend_leg(rot, SIDES[side], foot, body_pos, self.pelvis_quat)
        for side, arm in enumerate(self.arms):
            _bend_arm(rot, side, arm, body_pos, body_quat)
        return rot


def shoulder_positions(pelvis: Tensor, pelvis_quat: Tensor, spine: Tensor) -> tuple[Tensor, Tensor]:
    """World positions of the left and right shoulder (T, 3) of a figure with that trunk."""
    rot = _bent_trunk(spine, torch.zeros_like(spine))
    body_pos, _ = forward_kinematics(_SKELETON, pelvis, pelvis_quat, rot)
    return body_pos[:, _SKELETON.index("L_Shoulder")], body_pos[:, _SKELETON.index("R_Shoulder")]


def make_clip(name: str, skill: int, figure: Figure, ball_pos: Tensor, ball_quat: Tensor, contact: Tensor) -> Clip:
    """A clip of a figure and a ball: positions (T, 3), orientations (T, 4), contact label (T,)."""

    def array(value: Tensor) -> np.ndarray:
        return value.to(torch.float32).contiguous().numpy()

    return Clip(
        name=name,
        skill=skill,
        skeleton="mocap",
        fps=FPS,
        root_pos=array(figure.pelvis),
        root_rot=array(quat_to_exp(figure.pelvis_quat)),
        joint_rot=array(figure.joint_rot()),
        body_pos=None,
        object_pos=array(ball_pos[:, None]),
        object_rot=array(quat_to_exp(ball_quat)[:, None]),
        contact=array(contact[:, None]),
    )


def _bent_trunk(spine: Tensor, neck: Tensor) -> Tensor:
    """Exp-maps (T, 52, 3): bends (T, 3) of spine and neck shared by their joints, all else at rest."""
    rot = torch.zeros(len(spine), _SKELETON.num_joints, 3, dtype=torch.float64)
    for names, bend in ((_SPINE, spine), (_NECK, neck)):
        for name in names:
            rot[:, _joint(name)] = bend / len(names)
    return rot


def _joint(body: str) -> int:
    return _SKELETON.index(body) - 1


def _offset(body: str) -> Tensor:
    return torch.from_numpy(_SKELETON.offsets[_SKELETON.index(body)])


def _bend_leg(rot: Tensor, side: str, foot: Foot, body_pos: Tensor, pelvis_quat: Tensor) -> None:
    hip, shin, ankle, toe = (f"{side}_{part}" for part in ("Hip", "Knee", "Ankle", "Toe"))
    foot_quat = upright(foot.pitch, yaw=foot.yaw)
    knee = place(0.0, torch.ones_like(foot.pitch), foot.knee_up)
    knee = quat_rotate(quat_from_yaw(torch.full_like(foot.pitch, foot.yaw)), knee)
    reach = foot.ankle - body_pos[:, _SKELETON.index(hip)]
    hinge = torch.tensor(_KNEE_HINGE, dtype=torch.float64)
    thigh, angle = two_bone(_offset(shin), _offset(ankle), hinge, reach, knee)
    knee_quat = turn_about(_KNEE_HINGE, angle)
    rot[:, _joint(hip)] = quat_to_exp(quat_mul(quat_conj(pelvis_quat), thigh))
    rot[:, _joint(shin)] = quat_to_exp(knee_quat)
    rot[:, _joint(ankle)] = quat_to_exp(quat_mul(quat_conj(quat_mul(thigh, knee_quat)), foot_quat))
    rot[:, _joint(toe), 0] = foot.toe


def _bend_arm(rot: Tensor, side: int, arm: Arm, body_pos: Tensor, body_quat: Tensor) -> None:
    shoulder, elbow, wrist = (f"{SIDES[side]}_{part}" for part in ("Shoulder", "Elbow", "Wrist"))
    reach = arm.wrist if arm.from_shoulder else arm.wrist - body_pos[:, _SKELETON.index(shoulder)]
    hinge = torch.tensor(_ELBOW_HINGE[side], dtype=torch.float64)
    upper, angle = two_bone(_offset(elbow), _offset(wrist), hinge, reach, arm.elbow)
    elbow_quat = turn_about(_ELBOW_HINGE[side], angle)
    if arm.hand is not None:
        bend = quat_mul(quat_conj(quat_mul(upper, elbow_quat)), arm.hand)
        twist = exp_to_quat(_FOREARM_TWIST * quat_to_exp(twist_about(bend, axis=0)))
        elbow_quat = quat_mul(elbow_quat, twist)
        rot[:, _joint(wrist)] = quat_to_exp(quat_mul(quat_conj(twist), bend))
    parent = body_quat[:, _SKELETON.parents[_SKELETON.index(shoulder)]]
    rot[:, _joint(shoulder)] = quat_to_exp(quat_mul(quat_conj(parent), upper))
    rot[:, _joint(elbow)] = quat_to_exp(elbow_quat)
    _bend_fingers(rot, side, arm.curl)


def _bend_fingers(rot: Tensor, side: int, curl: Tensor | float) -> None:
    towards_palm = -1.0 if side == 0 else 1.0
    for finger in ("Index", "Middle", "Ring", "Pinky"):
        for part in (1, 2, 3):
            rot[:, _joint(f"{SIDES[side]}_{finger}{part}"), 2] = towards_palm * torch.as_tensor(curl)
