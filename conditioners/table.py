"""Conditions looked up by clip frame, or by the time since a prompt began."""

import torch
from torch import Tensor

from conditioners.base import ConditionQuery, SkillConditioner
from motions.library import MotionLibrary


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
