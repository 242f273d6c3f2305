"""The seam between whatever names a skill and the policy that performs it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor


class ConditionQuery(NamedTuple):
    """What a conditioner may look at, for N rows.

    skill: (N,) long, skill id. frame: (N,) long, row of the motion library that the row follows: that of the last
    step at which a new value was due. step: (N,) long, control steps since the episode began, at that step.
    variant: (N,) long, which of the conditioner's variants the episode has. row: (N,) long, the row itself.
    """

    skill: Tensor
    frame: Tensor
    step: Tensor
    variant: Tensor
    row: Tensor


class SkillConditioner(ABC):
    """Gives every row a vector of fixed width that says which skill is wanted.

    The same query should always give the same values, so that a resumed run continues exactly: what a conditioner
    remembers of the rows (`restart`, `look`) is not stored. The environment puts the values into the observation; the
    policy does not know where they come from.

    width: numbers a row. hold_steps: control steps for which a value is held; the environment asks with the frame and
    step at which it was due. variants: ways to say the same, of which each episode draws one. on_host: values, or what
    is remembered, pass through the host, so that a step cannot be a CUDA graph.
    """

    width: int
    hold_steps: int = 1
    variants: int = 1
    on_host: bool = False

    @abstractmethod
    def __call__(self, query: ConditionQuery) -> Tensor:
        """Values of N rows, (N, width) float32 on the query's device."""

    # Only conditioners that watch what happens need the following.

    def restart(self, row: Tensor, mask: Tensor) -> None:  # noqa: B027
        """The episodes of rows (R,), where mask (R,) is set, have begun anew; called before they ask for anything."""

    def look(self) -> None:  # noqa: B027
        """A control step has ended; called once, after all that it asked."""

    def close(self) -> None:  # noqa: B027
        """Frees what the conditioner needs."""
