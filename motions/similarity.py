"""How alike two poses are: the product of exponentials that links clips and finds neighbouring frames.

    S = exp(-cost),
    cost = key_pos MSE(p) + key_vel MSE(v) + joint_rot mean_j angle_j^2 + root_rot angle_root^2
         + root_height dz^2 + object_pos MSE(o) + object_vel MSE(u) + key_to_object MSE(p - o)

with p, v positions and velocities of the key bodies, o, u those of the objects, MSE the mean over all
components and angle the angle [rad] of the rotation between the two. Source: SkillMimic-V2 (arXiv
2505.02094), section on the stitched trajectory graph, with the weights of its released code.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from motions.frames import Frames
from motions.rotations import exp_to_quat, heading_inverse, normalize, quat_mul, quat_rotate
from motions.skeleton import Skeleton


@dataclass(frozen=True, kw_only=True)
class SimilarityWeights:
    """Weights of the terms above; a term of weight 0 does not count."""

    key_pos: float
    key_vel: float
    joint_rot: float
    root_rot: float = 0.0
    root_height: float = 0.0
    object_pos: float = 0.0
    object_vel: float = 0.0
    key_to_object: float = 0.0


@dataclass(frozen=True)
class Poses:
    """R poses with J joints, P key bodies, K objects: what similarity compares.

    root_pos (R, 3) [m], root_quat (R, 4) wxyz, joint_quat (R, J, 4); key_pos (R, P, 3) and object_pos
    (R, K, 3) [m], key_vel and object_vel [m/s]; all in one frame.
    """

    root_pos: Tensor
    root_quat: Tensor
    joint_quat: Tensor
    key_pos: Tensor
    key_vel: Tensor
    object_pos: Tensor
    object_vel: Tensor

    @staticmethod
    def of_frames(frames: Frames, skeleton: Skeleton) -> "Poses":
        """World poses of reference frames (R,), float64; velocities are backward differences."""
        key = list(skeleton.key_bodies)
        return Poses(
            root_pos=frames.root_pos.double(),
            root_quat=frames.root_quat.double(),
            joint_quat=exp_to_quat(frames.joint_rot.double()),
            key_pos=frames.body_pos[:, key].double(),
            key_vel=frames.body_lin_vel[:, key].double(),
            object_pos=frames.object_pos.double(),
            object_vel=frames.object_lin_vel.double(),
        )

    def __getitem__(self, rows: Tensor) -> "Poses":
        return Poses(**{name: value[rows] for name, value in vars(self).items()})

    def facing_forward(self) -> "Poses":
        """Each pose turned about the vertical to heading zero and moved to x = y = 0; heights stay.

        Comparing two such poses is comparing them after one was laid over the other.
        """
        turn = heading_inverse(self.root_quat)
        ground = self.root_pos * self.root_pos.new_tensor([1.0, 1.0, 0.0])

        def turned(vectors: Tensor) -> Tensor:
            return quat_rotate(turn[:, None].expand(*vectors.shape[:2], 4), vectors)

        return Poses(
            root_pos=self.root_pos - ground,
            root_quat=quat_mul(turn, self.root_quat),
            joint_quat=self.joint_quat,
            key_pos=turned(self.key_pos - ground[:, None]),
            key_vel=turned(self.key_vel),
            object_pos=turned(self.object_pos - ground[:, None]),
            object_vel=turned(self.object_vel),
        )


@dataclass(frozen=True)
class Features:
    """R poses scaled by the weights, so that cost is a plain sum.

    linear (R, D): its squared distances count in full. quat (R, Q, 4): the squared angles between them count
    with angle_weight (Q,).
    """

    linear: Tensor
    quat: Tensor
    angle_weight: Tensor

    def __len__(self) -> int:
        return len(self.linear)

    def __getitem__(self, rows: Tensor) -> "Features":
        return Features(self.linear[rows], self.quat[rows], self.angle_weight)


def features(poses: Poses, weights: SimilarityWeights) -> Features:
    """Poses (R,) as features (R,)."""
    key_to_object = poses.key_pos[:, :, None] - poses.object_pos[:, None]
    linear = (
        (weights.key_pos, poses.key_pos),
        (weights.key_vel, poses.key_vel),
        (weights.object_pos, poses.object_pos),
        (weights.object_vel, poses.object_vel),
        (weights.key_to_object, key_to_object),
        (weights.root_height, poses.root_pos[:, 2:]),
    )
    angular = ((weights.root_rot, poses.root_quat[:, None]), (weights.joint_rot, poses.joint_quat))
    none = poses.root_pos[:, :0]
    quats = [quat for weight, quat in angular if weight]
    return Features(
        linear=torch.cat([none, *(_scaled(weight, values) for weight, values in linear if weight)], dim=1),
        quat=normalize(torch.cat([poses.joint_quat[:, :0], *quats], dim=1)),
        angle_weight=torch.cat([none.new_zeros(0), *(_shared(weight, quat) for weight, quat in angular if weight)]),
    )


def cost(a: Features, b: Features) -> Tensor:
    """Cost (R,) between the rows of a and b; similarity is exp(-cost)."""
    return (a.linear - b.linear).square().sum(-1) + squared_angles(a.quat, b.quat) @ a.angle_weight


def squared_angles(a: Tensor, b: Tensor) -> Tensor:
    """Squared angle [rad^2] of the rotation between unit quaternions, (..., 4) -> (...)."""
    return (2.0 * torch.acos((a * b).sum(-1).abs().clamp_max(1.0))).square()


def _scaled(weight: float, values: Tensor) -> Tensor:
    """(R, ...) as (R, D) whose squared distances are weight times the mean squared difference."""
    flat = values.flatten(1)
    return flat * (weight / max(flat.shape[1], 1)) ** 0.5


def _shared(weight: float, quats: Tensor) -> Tensor:
    """Weight of each of (R, Q, 4) rotations in a mean over them, (Q,)."""
    return quats.new_full((quats.shape[1],), weight / quats.shape[1])
