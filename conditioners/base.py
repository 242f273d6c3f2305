"""The seam between whatever names a skill and the policy that performs it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor


class ConditionQuery(NamedTuple):
    """What a conditioner may look at, for N rows.

    skill: (N,) long, skill id. frame: (N,) long, row of the motion library that the row follows: that of the last
    step at which a new value was due. step: (N,) long, control steps since the episode began, at that step.
    variant: (N,) long, which of the conditioner's variants the episode has.
    """

    skill: Tensor
    frame: Tensor
    step: Tensor
    variant: Tensor


class SkillConditioner(ABC):
    """Gives every row a vector of fixed width that says which skill is wanted.

    Conditioners keep nothing of the rows: the same query always gives the same values, so that a resumed run
    continues exactly. The environment puts the values into the observation; the policy does not know where
    they come from.

    width: numbers a row. hold_steps: control steps for which a value is held; the environment asks with the frame and
    step at which it was due. variants: ways to say the same, of which each episode draws one.
    """

    width: int
    hold_steps: int = 1
    variants: int = 1

    @abstractmethod
    def __call__(self, query: ConditionQuery) -> Tensor:
        """Values of N rows, (N, width) float32 on the query's device."""
