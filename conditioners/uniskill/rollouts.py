"""Recorded rollouts: what a policy may learn from, as arrays in one file."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from motions.atomic import write_atomically
from motions.errors import UserError

_FORMAT = "hoigym-rollouts-1"


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


def save_rollouts(rollouts: Rollouts, path: Path) -> None:
    """Writes rollouts as .npz; raises RolloutError where that is not possible."""
    arrays = {name: getattr(rollouts, name).cpu().numpy() for name in ("obs", "actions", "rows", "ends")}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            np.savez(file, allow_pickle=False, format=_FORMAT, library_hash=rollouts.library_hash, **arrays)
    except OSError as error:
        raise RolloutError(f"{path}: cannot be written ({error.strerror or error})") from None


def load_rollouts(path: Path) -> Rollouts:
    """Reads what `save_rollouts` wrote; raises RolloutError for anything else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != _FORMAT:
                raise RolloutError(f"{path}: format '{file['format']}'; expected {_FORMAT}")
            arrays = {name: torch.from_numpy(file[name]) for name in ("obs", "actions", "rows", "ends")}
            return Rollouts(**arrays, library_hash=str(file["library_hash"]))
    except FileNotFoundError:
        raise RolloutError(f"{path}: no such file; `uniskill record` writes one") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RolloutError(f"{path}: not a file of rollouts ({error})") from None
