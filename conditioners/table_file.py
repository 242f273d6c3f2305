"""Tables of conditions on disk: one vector for every frame of a motion library, or of a prompt."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from conditioners.array_file import ArrayFormat
from motions.errors import UserError


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


_FORMAT = ArrayFormat("hoigym-conditions-1", "table of conditions", TableError)


def save_table(table: ConditionTable, path: Path) -> None:
    """Writes a table as .npz, in half precision; raises TableError where that is not possible."""
    values = table.values.detach().cpu().half()
    if not torch.isfinite(values).all():
        raise TableError(f"{path}: the conditions hold numbers that are not finite in half precision")
    meta = json.dumps(table.meta, sort_keys=True)
    _FORMAT.save(path, {"values": values.numpy(), "fps": table.fps, "library_hash": table.library_hash, "meta": meta})


def load_table(path: Path) -> ConditionTable:
    """Reads what `save_table` wrote; raises TableError for anything else."""
    arrays = _FORMAT.load(path, ("values", "fps", "library_hash", "meta"))
    try:
        values = torch.from_numpy(arrays["values"].astype(np.float32))
        fps, meta = float(arrays["fps"]), dict(json.loads(str(arrays["meta"])))
    except (ValueError, TypeError) as error:
        raise TableError(f"{path}: not a table of conditions ({error})") from None
    if values.ndim != 3 or 0 in values.shape or not torch.isfinite(values).all():
        raise TableError(f"{path}: values of shape {tuple(values.shape)}; expected finite (variants, frames, width)")
    return ConditionTable(values, fps, str(arrays["library_hash"]), meta)
