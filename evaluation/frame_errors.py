"""How closely trials follow their reference, frame by frame."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hoigym.evaluation.quantities import Snapshot
from hoigym.motions.skeleton import Skeleton

BODY_WITHIN, OBJECT_WITHIN = 0.1, 0.2
"""Errors [m] under which a frame is accurate (PhysHOI, arXiv 2312.04393)."""


class FrameErrors(NamedTuple):
    """Means over the frames of each trial (N,), NaN where there was none.

    reward: per step, 1 at most (NR). accuracy: share of frames whose body error is under 0.1 m, object error under
    0.2 m, and whose contacts are right. body_error, object_error [m]: mean distance of root and key bodies, and of
    the objects, from the reference in the world. contact_error: mean squared error of the contact graph's nodes.
    """

    reward: Tensor
    accuracy: Tensor
    body_error: Tensor
    object_error: Tensor
    contact_error: Tensor


class FrameErrorSums:
    """Adds up the errors of N trials over the frames in which the reference counts.

    with_object: whether the skill has an object; without, only the body counts.
    """

    def __init__(self, trials: int, skeleton: Skeleton, with_object: bool, device: torch.device):
        self._bodies = [0, *skeleton.key_bodies]
        self._with_object = with_object
        self._sums = torch.zeros(len(FrameErrors._fields), trials, dtype=torch.float64, device=device)
        self._frames = torch.zeros(trials, device=device)

    def add(self, snapshot: Snapshot) -> None:
        """Takes one frame."""
        reference = snapshot.reference
        counted = snapshot.referenced & snapshot.active
        body = vector_norm(snapshot.body_pos - reference.body_pos, dim=2)[:, self._bodies].mean(1)
        right = body < BODY_WITHIN
        away = contact = torch.zeros_like(body)
        objects = snapshot.object_pos.shape[1]
        if self._with_object and objects:
            away = vector_norm(snapshot.object_pos - reference.object_pos[:, :objects], dim=2).mean(1)
            nodes = torch.cat((snapshot.held, snapshot.touching[:, None]), dim=1).float()
            wanted = reference.contact[:, :objects]
            wanted = torch.cat((wanted, torch.zeros_like(wanted[:, :1])), dim=1)
            contact = (nodes - wanted).square().mean(1)
            right = right & (away < OBJECT_WITHIN) & (contact == 0)
        values = torch.stack((snapshot.reward, right.float(), body, away, contact)).double()
        self._sums += values.masked_fill(~counted, 0.0)
        self._frames += counted

    def means(self) -> FrameErrors:
        return FrameErrors(*(self._sums / self._frames).float())
