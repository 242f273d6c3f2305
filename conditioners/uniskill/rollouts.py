"""Recorded rollouts: what a policy may learn from, as arrays in one file."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from conditioners.array_file import ArrayFormat
from motions.errors import UserError

_ARRAYS = ("obs", "actions", "rows", "ends")


class RolloutError(UserError):
    """A file of rollouts that cannot be used."""


@dataclass(frozen=True)
class Rollouts:
    """S steps of E episodes, one after the other.

    obs: (S, O) observations, without the condition. actions: (S, A) wanted in -1 .. 1. rows: (S,) long, row of the
    motion library that was followed. ends: (E,) long, step after the last one of each episode. library_hash:
    `MotionLibrary.content_hash`.
    """

    obs: Tensor
    actions: Tensor
    rows: Tensor
    ends: Tensor
    library_hash: str


_FORMAT = ArrayFormat("hoigym-rollouts-1", "file of rollouts of `uniskill record`", RolloutError)


def save_rollouts(rollouts: Rollouts, path: Path) -> None:
    """Writes rollouts as .npz; raises RolloutError where that is not possible."""
    arrays = {name: getattr(rollouts, name).cpu().numpy() for name in _ARRAYS}
    _FORMAT.save(path, {**arrays, "library_hash": rollouts.library_hash})


def load_rollouts(path: Path) -> Rollouts:
    """Reads what `save_rollouts` wrote; raises RolloutError for anything else."""
    arrays = _FORMAT.load(path, (*_ARRAYS, "library_hash"))
    obs, actions, rows, ends = (arrays[name] for name in _ARRAYS)
    dimensions = (obs.ndim, actions.ndim, rows.ndim, ends.ndim)
    if dimensions != (2, 2, 1, 1) or not len(obs) == len(actions) == len(rows) == ends[-1:].sum():
        raise RolloutError(f"{path}: observations, actions, rows and ends of episodes do not fit each other")
    tensors = {name: torch.from_numpy(arrays[name]) for name in _ARRAYS}
    return Rollouts(**tensors, library_hash=str(arrays["library_hash"]))
