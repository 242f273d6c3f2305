"""Tables of conditions on disk: one vector for every frame of a motion library, or of a prompt."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from motions.atomic import write_atomically
from motions.errors import UserError

FORMAT = "hoigym-conditions-1"


class TableError(UserError):
    """A table of conditions that cannot be used."""


@dataclass(frozen=True)
class ConditionTable:
    """Conditions made beforehand.

    values: (V, F, W) float32: V variants (renderings of the same, say), F frames, W numbers. fps: frames a second.
    library_hash: `MotionLibrary.content_hash` of the clips whose frames these are, in the library's order; empty for
    a prompt, which belongs to no library. meta: where the values come from, for people.
    """

    values: Tensor
    fps: float
    library_hash: str = ""
    meta: dict[str, str] = field(default_factory=dict)


def save_table(table: ConditionTable, path: Path) -> None:
    """Writes a table as .npz, in half precision; raises TableError where that is not possible."""
    values = table.values.detach().cpu().half()
    if not torch.isfinite(values).all():
        raise TableError(f"{path}: the conditions hold numbers that are not finite in half precision")
    arrays = {
        "format": np.array(FORMAT),
        "values": values.numpy(),
        "fps": np.array(table.fps, dtype=np.float64),
        "library_hash": np.array(table.library_hash),
        "meta": np.array(json.dumps(table.meta, sort_keys=True)),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise TableError(f"{path}: cannot be written ({error.strerror or error})") from error


def load_table(path: Path) -> ConditionTable:
    """Reads what `save_table` wrote; raises TableError for anything else."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["format"]) != FORMAT:
                raise TableError(f"{path}: format '{arrays['format']}'; this program reads {FORMAT}")
            values = torch.from_numpy(arrays["values"].astype(np.float32))
            table = ConditionTable(
                values, float(arrays["fps"]), str(arrays["library_hash"]), json.loads(str(arrays["meta"]))
            )
    except FileNotFoundError:
        raise TableError(f"{path}: there is no table of conditions") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise TableError(f"{path}: not a table of conditions ({error})") from error
    if values.ndim != 3 or 0 in values.shape or not torch.isfinite(values).all():
        raise TableError(f"{path}: values of shape {tuple(values.shape)}; expected finite (variants, frames, width)")
    return table
