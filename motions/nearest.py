"""Exact search for the most similar pose of a table, by a bound that is one matrix product.

The angle term has no matrix form, but for rotations a, b with matrices A, B and angle t between them
|A - B|^2 / 2 = 4 sin^2(t / 2) <= t^2. Replacing the angles by this gives every pair a lower bound on its
cost as a squared Euclidean distance. Only pairs whose bound is below the true cost of the pair with the
lowest bound can win, and only those (some 5 % on real clips) get their angles computed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from motions.similarity import Features

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
