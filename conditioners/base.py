"""The seam between whatever names a skill and the policy that performs it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor


class ConditionQuery(NamedTuple):
    """What a conditioner may look at, for N rows.

    skill: (N,) long, skill id. frame: (N,) long, row of the motion library that the row follows now.
    step: (N,) long, control steps since the skill was chosen (0 at the start of an episode and at a switch).
    """

    skill: Tensor
    frame: Tensor
    step: Tensor


class SkillConditioner(ABC):
    """Gives every row a vector of fixed width that says which skill is wanted.

    Conditioners keep nothing of the rows: the same query always gives the same values, so that a resumed run
    continues exactly. The environment puts the values into the observation; the policy does not know where
    they come from.

    width: numbers a row. hold_steps: control steps for which a value is held (see `refresh`). per_frame:
    values depend on skill and frame only, so that they can be tabulated once for all frames of a library.
    """

    width: int
    hold_steps: int = 1
    per_frame: bool = False

    @abstractmethod
    def __call__(self, query: ConditionQuery) -> Tensor:
        """Values of N rows, (N, width) float32 on the query's device."""


def refresh(conditioner: SkillConditioner, query: ConditionQuery, held: Tensor) -> Tensor:
    """Values for this control step: new ones where their time has come, else those held, (N, width).

    Rows are due at step 0 and every `hold_steps` steps after it. held: (N, width), what the last step had.
    """
    values = conditioner(query)
    if conditioner.hold_steps == 1:
        return values
    due = query.step % conditioner.hold_steps == 0
    return torch.where(due[:, None], values, held)


def tabulate(conditioner: SkillConditioner, frame_skill: Tensor) -> Tensor:
    """Values of every frame of a library, (F, width). frame_skill: (F,) long, skill id of each frame's clip.

    Raises ValueError for a conditioner whose values depend on more than the frame.
    """
    if not conditioner.per_frame:
        raise ValueError(f"{type(conditioner).__name__} does not depend on the clip frame alone")
    frame = torch.arange(len(frame_skill), device=frame_skill.device)
    return conditioner(ConditionQuery(frame_skill, frame, torch.zeros_like(frame)))
