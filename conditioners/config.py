"""Which conditioner an environment has."""

from dataclasses import dataclass
from typing import Literal

from motions.errors import UserError

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
