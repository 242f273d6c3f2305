"""Similarity of two poses, and exact search for the most similar pose of a table.

    S = exp(-cost),
    cost = key_pos MSE(p) + key_vel MSE(v) + joint_rot mean_j angle_j^2 + root_rot angle_root^2
         + root_height dz^2 + object_pos MSE(o) + object_vel MSE(u) + key_to_object MSE(p - o)

with p, v positions and velocities of the key bodies, o, u those of the objects, MSE the mean over all
components and angle the angle [rad] of the rotation between the two. Source: SkillMimic-V2 (arXiv
2505.02094), section on the stitched trajectory graph, with the weights of its released code.

The angle term has no matrix form, but for rotations a, b with matrices A, B and angle t between them
|A - B|^2 / 2 = 4 sin^2(t / 2) <= t^2. Replacing the angles by this gives every pair a lower bound on its
cost as a squared Euclidean distance. Only pairs whose bound is below the true cost of the pair with the
lowest bound can win, and only those (some 5 % on real clips) get their angles computed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hoigym.motions.rotations import exp_to_quat, heading_inverse, normalize, quat_mul, quat_rotate
from hoigym.motions.skeleton import Skeleton
from hoigym.motions.state import Frames


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


# --- Exact search for the most similar pose of a table, by a bound that is one matrix product -----------------------


# Rounding of the bound in float64, relative to squared norms, with room to spare.
_SLACK = 1e-12
# Cost of pairs that may not be taken.
_FORBIDDEN = 1e300
# Pairs whose angles are computed at a time: on a CPU (True) what fits its cache.
_PAIRS_PER_STEP = {True: 2**11, False: 2**17}


@dataclass(frozen=True)
class Points:
    """R poses prepared for the search.

    place (R, D): squared distances are lower bounds on cost; norm (R,): its squared norms. quat: the four
    components of Q rotations, (R, Q) each, whose squared angles count with angle_weight (Q,).
    """

    place: Tensor
    norm: Tensor
    quat: tuple[Tensor, ...]
    angle_weight: Tensor

    @staticmethod
    def of(poses: Features) -> "Points":
        """Points of float64 features."""
        scale = (poses.angle_weight / 2.0).sqrt()[:, None]
        place = torch.cat((poses.linear, (_matrix(poses.quat) * scale).flatten(1)), dim=1)
        quat = tuple(part.contiguous() for part in poses.quat.unbind(-1))
        return Points(place, place.square().sum(1), quat, poses.angle_weight)

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows: Tensor) -> "Points":
        quat = tuple(part[rows] for part in self.quat)
        return Points(self.place[rows], self.norm[rows], quat, self.angle_weight)


def nearest(
    query: Points, table: Points, allowed: Tensor | None, limit: float, memory: int = 2**28
) -> tuple[Tensor, Tensor]:
    """The pose of lowest cost for every query; equal costs go to the first.

    Args:
        query: R poses.
        table: T poses under the same weights, at least one.
        allowed: (R, T) bool, the pairs that may be taken; all where None.
        limit: costs above it count as no pose.
        memory: bytes that the search may take at a time, about.

    Returns:
        Index (R,) into the table, -1 where there is none, and cost (R,), infinite there.
    """
    limit = min(limit, _FORBIDDEN / 2)
    index = torch.full((len(query),), -1, device=query.place.device)
    cost = torch.full((len(query),), torch.inf, dtype=query.place.dtype, device=query.place.device)
    # Bound, comparison and the places of the pairs that pass: about four times the bound.
    rows = max(1, memory // (32 * len(table)))
    for chunk in torch.arange(len(query), device=index.device).split(rows):
        part = query[chunk]
        bound = _bound(part, table)
        if allowed is not None:
            bound.masked_fill_(~allowed[chunk], _FORBIDDEN)
        row, column = _contenders(part, table, bound, limit, _SLACK * table.norm.max())
        exact = _exact(part, table, row, column, bound[row, column])
        index[chunk], cost[chunk] = cheapest(len(chunk), len(table), row, column, exact, limit)
    return index, cost


def _bound(query: Points, table: Points) -> Tensor:
    """Lower bound on cost, (R, T)."""
    return torch.addmm(table.norm, query.place, table.place.T, alpha=-2.0).add_(query.norm[:, None])


def _contenders(query: Points, table: Points, bound: Tensor, limit: float, slack: Tensor) -> tuple[Tensor, Tensor]:
    """Places (row, column) of the pairs that can be the cheapest of their row and within the limit."""
    every = torch.arange(len(query), device=bound.device)
    guess = bound.argmin(1)
    upper = _exact(query, table, every, guess, bound[every, guess]).clamp_max(limit)
    row, column = (bound <= (upper + slack)[:, None]).nonzero(as_tuple=True)
    return row, column


def _exact(query: Points, table: Points, row: Tensor, column: Tensor, bound: Tensor) -> Tensor:
    """Cost of the pairs (row, column), (P,) each, from their bound (P,)."""
    exact = bound.clone()
    for part in torch.arange(len(row), device=row.device).split(_PAIRS_PER_STEP[row.device.type == "cpu"]):
        cosine = _dots(query.quat, row[part], table.quat, column[part]).abs_().clamp_max_(1.0)
        # (t^2 - 4 sin^2(t / 2)) / 4 with the half angle acos(cosine)
        missing = torch.acos(cosine).square_().addcmul_(cosine, cosine).sub_(1.0)
        exact[part] += missing @ (4.0 * query.angle_weight)
    return exact.clamp_min_(0.0)


def cheapest(
    rows: int, columns: int, row: Tensor, column: Tensor, cost: Tensor, limit: float = torch.inf
) -> tuple[Tensor, Tensor]:
    """Column of the cheapest of the pairs (row, column), (P,) each, in every row, and its cost: (rows,) each.

    Of equals the first, on every device; -1 and infinity for a row without a pair of at most the limit.
    """
    lowest = cost.new_full((rows,), torch.inf).scatter_reduce_(0, row, cost, "amin")
    wins = (cost == lowest[row]) & (cost <= limit)
    index = torch.full((rows,), columns, device=row.device)
    index.scatter_reduce_(0, row[wins], column[wins], "amin")
    none = index == columns
    return index.masked_fill(none, -1), lowest.masked_fill(none, torch.inf)


def _matrix(quat: Tensor) -> Tensor:
    """Rotation matrices of unit quaternions, row by row, (..., 4) -> (..., 9)."""
    w, x, y, z = quat.unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, dim=-1)


def _dots(a: tuple[Tensor, ...], row: Tensor, b: tuple[Tensor, ...], column: Tensor) -> Tensor:
    """Dot products (P, Q) of quaternions a[row] and b[column]."""
    dots = torch.zeros(len(row), a[0].shape[1], dtype=a[0].dtype, device=row.device)
    for of_a, of_b in zip(a, b, strict=True):
        dots.addcmul_(of_a.index_select(0, row), of_b.index_select(0, column))
    return dots
