"""Clips as samples: sixty frames, the one after them, and the next one to be predicted."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from hoigym.hist_encoder.features import ReferenceHeading, reference_features
from hoigym.motions.library import MotionLibrary
from hoigym.motions.skill_set import load_skill_set

# What the objects of skills without one are replaced by: anywhere within this many metres.
_STRAY_RANGE = 5.0


def objectless_skills(skeleton: str, given: tuple[int, ...] | None) -> tuple[int, ...]:
    """The skills that have no object: those given, else the published ones of the skeleton."""
    return load_skill_set(skeleton).objectless if given is None else given


@dataclass(frozen=True)
class HistoryData:
    """Features of F frames and how they follow each other.

    features: (F + 1, D); the last row is the empty frame. skill: (F,) long. has_object: (F,) bool. first:
    (F,) row of the first frame of each frame's clip. samples: (S,) rows that have a next frame, none of
    both missing. object_columns: how many of the last columns are object positions. length: frames of
    history.
    """

    features: Tensor
    skill: Tensor
    has_object: Tensor
    first: Tensor
    samples: Tensor
    object_columns: int
    length: int

    @staticmethod
    def of(
        library: MotionLibrary,
        length: int,
        objectless: tuple[int, ...],
        reference_heading: ReferenceHeading = "true",
    ) -> "HistoryData":
        """The frames of a library; reference_heading as in `reference_features`."""
        row = torch.arange(library.num_frames, device=library.device)
        last = (library.clip_start + library.clip_length - 1)[library.frame_clip]
        follows = library.valid & library.valid.roll(-1) & (row < last)
        skill = library.frame_skill
        return HistoryData(
            features=pad(reference_features(library, None, reference_heading), (0, 0, 0, 1)),
            skill=skill,
            has_object=~torch.isin(skill, torch.tensor(objectless, device=library.device)),
            first=library.clip_start[library.frame_clip],
            samples=row[follows],
            object_columns=3 * library.num_objects,
            length=length,
        )

    def to(self, device: torch.device) -> "HistoryData":
        """The same on another device."""
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors)

    def history(self, row: Tensor) -> Tensor:
        """Rows of features (R, length), oldest first, of the frames before the frames row (R,)."""
        past = row[:, None] + torch.arange(-self.length, 0, device=row.device)
        return torch.where(past < self.first[row, None], len(self.features) - 1, past)

    def current(self, row: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Features (R, D) of the frames row (R,); objects that have no role are put anywhere within 5 m."""
        current = self.features[row]
        stray = torch.rand(
            len(row), self.object_columns, generator=generator, device=current.device, dtype=current.dtype
        )
        objects = current[:, current.shape[1] - self.object_columns :]
        stray = torch.where(self.has_object[row, None], objects, (2 * stray - 1) * _STRAY_RANGE)
        return torch.cat((current[:, : current.shape[1] - self.object_columns], stray), dim=1)


def split(data: HistoryData, block: int, every: int) -> tuple[Tensor, Tensor]:
    """Samples to train on and samples to validate on, (S1,) and (S2,) rows.

    Each clip is cut into runs of `block` frames, and one run in `every` is held out: its frames are no
    current and no next frame of a training sample. (They are in the history of later ones, an input only:
    sixty frames reach over every run.) With every = 0 nothing is held out.
    """
    if every == 0:
        return data.samples, data.samples[:0]
    row = data.samples

    def held_out(row: Tensor) -> Tensor:
        return (row - data.first[row]) // block % every == every // 2

    return row[~held_out(row) & ~held_out(row + 1)], row[held_out(row + 1)]
