"""Skill conditioner: the seam between whatever names a skill and the policy that performs it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn import functional

from hoigym.core.errors import UserError
from hoigym.motions.clip import NUM_SKILLS


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


# --- Which conditioner an environment has ---------------------------------------------------------------------------


TABLE_KINDS = ("table", "shuffled", "clip_mean", "zero")


@dataclass(frozen=True)
class ConditionConfig:
    """What tells the policy which skill is wanted."""

    kind: Literal["label", "label_phase", "table", "shuffled", "clip_mean", "zero", "uva"] = "label"
    """label: one-hot of the skill. table: the vector that `file` has for the clip frame, a UniSkill embedding or
    a plan, say. uva: a plan that `planner` makes of pictures of what happens, in place of those in `file`; for play.
    The others are what a table is compared with: the vectors of another clip, the clip's mean, zeros, and a label
    with the phase."""
    file: str = ""
    """Table of conditions of the clips in motion_file, as `uniskill extract` writes one."""
    prompt: str = ""
    """Table of conditions that takes the place of those in `file`: predicted ones of the same clips, frame by frame, or
    those of a video to perform, one after the other."""
    planner: str = ""
    """UVA model whose actions are plans, for kind uva."""
    sentences: str = ""
    """File of `uva text` with the names of the skills, for a planner that reads what is wanted."""
    hold: float = 0.0
    """Seconds for which a condition is held; 0 takes a new one at every control step. Plans of kind uva are held for
    a quarter of a second, whatever this says."""

    def __post_init__(self) -> None:
        reads_table = self.kind in (*TABLE_KINDS, "uva")
        if reads_table and not self.file:
            raise UserError(f"condition.kind {self.kind} needs condition.file, a table of conditions of the clips")
        if self.kind == "uva" and not self.planner:
            raise UserError("condition.kind uva needs condition.planner, a UVA model whose actions are plans")
        if self.planner and self.kind != "uva":
            raise UserError(f"condition.planner is for condition.kind uva, not {self.kind}")
        if self.sentences and not self.planner:
            raise UserError("condition.sentences is for a condition.planner that reads text")
        if self.file and not reads_table:
            raise UserError(f"condition.kind {self.kind} takes no condition.file")
        if self.prompt and self.kind not in TABLE_KINDS:
            raise UserError(f"condition.kind {self.kind} takes no condition.prompt")
        if self.hold < 0:
            raise UserError(f"condition.hold must not be negative, not {self.hold:g}")


# --- The skill id itself as the condition ---------------------------------------------------------------------------


class LabelConditioner(SkillConditioner):
    """One-hot of the skill id, 0 .. 63: the published skill label. Another id is an error (RuntimeError)."""

    width = NUM_SKILLS

    def __call__(self, query: ConditionQuery) -> Tensor:
        return functional.one_hot(query.skill, self.width).float()
