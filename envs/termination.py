"""Why and when an episode ends.

Every rule is a function of plain tensors that gives a mask; `episode_end` puts the masks together.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

FALL_HEIGHT = 0.3
"""Root height [m] below which the humanoid has fallen (SkillMimic-V2)."""
LOST_DISTANCE = 0.5
"""Distance [m] from the reference beyond which the motion is lost."""


class EndReason(IntEnum):
    """Why an episode ended; where several hold, the highest."""

    RUNNING = 0
    WINDOW = 1
    """The reference window is over: a truncation, the value function bootstraps."""
    ROOT_LOST = 2
    OBJECT_LOST = 3
    FALL = 4
    DIVERGED = 5
    """The simulation blew up."""


class EpisodeEnd(NamedTuple):
    """terminated, truncated: (N,) bool, never both; reason: (N,) uint8 of EndReason."""

    terminated: Tensor
    truncated: Tensor
    reason: Tensor


def has_fallen(
    root_height: Tensor,
    progress: Tensor,
    skill: Tensor,
    height: float = FALL_HEIGHT,
    never_for: Sequence[int] = (),
) -> Tensor:
    """Whether the root is below `height` after the first two steps, (N,) bool. SkillMimic-V2.

    Args:
        root_height: (N,) [m].
        progress: (N,) control steps since the episode began.
        skill: (N,) skill ids.
        height: [m].
        never_for: skills that begin on the ground and are never ended by a fall.
    """
    fallen = (root_height < height) & (progress > 1)
    for exempt in never_for:
        fallen = fallen & (skill != exempt)
    return fallen


def window_over(progress: Tensor, window: Tensor | int) -> Tensor:
    """Whether this was the last step of the reference window, (N,) bool.

    progress: (N,) steps since the episode began; window: (N,) or one number, frames in the window.
    """
    return progress >= window - 1


def root_lost(root_pos: Tensor, reference_root_pos: Tensor, distance: float = LOST_DISTANCE) -> Tensor:
    """Whether the root (N, 3) is farther than `distance` [m] from its reference (N, 3), (N,) bool."""
    return torch.linalg.vector_norm(root_pos - reference_root_pos, dim=-1) > distance


def object_lost(
    object_pos: Tensor,
    reference_object_pos: Tensor,
    object_free: Tensor,
    distance: float = LOST_DISTANCE,
) -> Tensor:
    """Whether any object is farther than `distance` [m] from its reference, (N,) bool.

    object_pos, reference_object_pos: (N, K, 3) [m]; object_free: (N,) bool, rows whose skill has no object.
    """
    away = torch.linalg.vector_norm(object_pos - reference_object_pos, dim=-1) > distance
    return away.any(dim=-1) & ~object_free


def episode_end(
    *,
    window: Tensor,
    fallen: Tensor | None = None,
    root_lost: Tensor | None = None,
    object_lost: Tensor | None = None,
    diverged: Tensor | None = None,
) -> EpisodeEnd:
    """Puts the masks, (N,) bool each, together; a rule that is not in force is left out.

    A row that terminates on the last step of its window counts as terminated.
    """
    reason = window.to(torch.uint8) * int(EndReason.WINDOW)
    rules = (
        (root_lost, EndReason.ROOT_LOST),
        (object_lost, EndReason.OBJECT_LOST),
        (fallen, EndReason.FALL),
        (diverged, EndReason.DIVERGED),
    )
    for mask, code in rules:
        if mask is not None:
            reason = reason.masked_fill(mask, int(code))
    return EpisodeEnd(reason > int(EndReason.WINDOW), reason == int(EndReason.WINDOW), reason)
