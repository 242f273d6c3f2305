"""Tables of conditions: one vector for every frame of a motion library, or of a prompt.

A policy that does as well with shuffled vectors ignores them; one that does as well with clip means or with a label and
the phase needs nothing that only an embedding has.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hoigym.conditioners.base import ConditionQuery, SkillConditioner
from hoigym.core.errors import UserError
from hoigym.core.files import ArrayFormat
from hoigym.motions.clip import NUM_SKILLS
from hoigym.motions.library import MotionLibrary


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


# --- Conditions looked up by clip frame, or by the time since a prompt began ----------------------------------------


class TableConditioner(SkillConditioner):
    """One vector for every frame of a library.

    A row whose skill is that of the clip it follows gets the vector of its frame. A row that was given another skill
    gets those of the first clip of that skill, over and over; a skill that no clip has is an error (IndexError).
    """

    def __init__(self, values: Tensor, library: MotionLibrary, hold_steps: int = 1):
        """values: (V, F, W), F frames in the order of the library."""
        self.variants, _, self.width = values.shape
        self.hold_steps = hold_steps
        self._values = values.to(library.device)
        self._frame_skill = library.frame_skill
        # Padded to every id that may be asked for, so that a missing skill cannot read another's row unnoticed.
        self._start = torch.full((int(library.clip_skill.max()) + 1,), library.num_frames, device=library.device)
        self._length = torch.ones_like(self._start)
        for clip in reversed(range(library.num_clips)):
            self._start[library.clip_skill[clip]] = library.clip_start[clip]
            self._length[library.clip_skill[clip]] = library.clip_length[clip]

    def __call__(self, query: ConditionQuery) -> Tensor:
        of_skill = self._start[query.skill] + query.step % self._length[query.skill]
        row = torch.where(self._frame_skill[query.frame] == query.skill, query.frame, of_skill)
        return self._values[query.variant, row]


class PromptConditioner(SkillConditioner):
    """The vectors of a prompt one after the other, whatever the row follows; the last one stays."""

    def __init__(self, values: Tensor, frames_per_step: float, hold_steps: int = 1):
        """values: (V, T, W). frames_per_step: frames of the prompt in a control step."""
        self.variants, self._frames, self.width = values.shape
        self.hold_steps = hold_steps
        self._values, self._rate = values, frames_per_step

    def __call__(self, query: ConditionQuery) -> Tensor:
        frame = (query.step * self._rate).long().clamp_max(self._frames - 1)
        return self._values[query.variant, frame]


# --- What a table of conditions is compared with: the same table spoilt on purpose, and labels that know the phase


def clip_means(values: Tensor, library: MotionLibrary) -> Tensor:
    """Every frame gets the mean of its clip, (V, F, W): which clip it is stays, what happens now does not."""
    clip = library.frame_clip.to(values.device)
    sums = torch.zeros(values.shape[0], library.num_clips, values.shape[2], device=values.device)
    sums.index_add_(1, clip, values)
    return (sums / library.clip_length.to(values.device)[:, None])[:, clip]


def shuffle_clips(values: Tensor, library: MotionLibrary, seed: int) -> Tensor:
    """Every clip gets the vectors of a clip of another skill, stretched to its length, (V, F, W).

    Where a library has one skill only, any other clip serves; where it has one clip only, its frames change places.
    """
    generator = torch.Generator().manual_seed(seed)
    if library.num_clips == 1:
        return values[:, torch.randperm(library.num_frames, generator=generator)]
    skill, length = library.clip_skill.tolist(), library.clip_length.tolist()
    row = []
    for clip, frames in enumerate(length):
        others = [other for other in range(len(length)) if skill[other] != skill[clip]]
        others = others or [other for other in range(len(length)) if other != clip]
        other = others[int(torch.randint(len(others), (), generator=generator))]
        phase = torch.arange(frames) * length[other] // frames
        row.append(int(library.clip_start[other]) + phase)
    return values[:, torch.cat(row)]


def label_phase(library: MotionLibrary) -> Tensor:
    """One-hot of the clip's skill and the fraction of the clip that is over, 0 .. 1, (1, F, 65)."""
    clip = library.frame_clip
    frame = torch.arange(library.num_frames, device=library.device) - library.clip_start[clip]
    phase = frame / (library.clip_length[clip] - 1).clamp_min(1)
    label = functional.one_hot(library.frame_skill, NUM_SKILLS).float()
    return torch.cat([label, phase[:, None]], dim=1)[None]
