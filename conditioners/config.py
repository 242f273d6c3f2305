"""Which conditioner an environment has."""

from dataclasses import dataclass
from typing import Literal

from motions.errors import UserError

TABLE_KINDS = ("table", "shuffled", "clip_mean", "zero")


@dataclass(frozen=True)
class ConditionConfig:
    """What tells the policy which skill is wanted."""

    kind: Literal["label", "label_phase", "table", "shuffled", "clip_mean", "zero"] = "label"
    """label: one-hot of the skill. table: the vector that `file` has for the clip frame, a UniSkill embedding or
    a plan, say. The others are what such a table is compared with: the vectors of another clip, the clip's mean,
    zeros, and a label with the phase."""
    file: str = ""
    """Table of conditions of the clips in motion_file, as `uniskill extract` writes one."""
    prompt: str = ""
    """Table of conditions that takes the place of those in `file`: predicted ones of the same clips, frame by frame, or
    those of a video to perform, one after the other."""
    planner: str = ""
    """UVA model whose predictions, from pictures of what happens, take the place of the plans in `file`; for play."""
    hold: float = 0.0
    """Seconds for which a condition is held; 0 takes a new one at every control step."""

    def __post_init__(self) -> None:
        if self.kind in TABLE_KINDS and not self.file:
            raise UserError(f"condition.kind {self.kind} needs condition.file, a table of conditions of the clips")
        unused = [name for name in ("file", "prompt", "planner") if getattr(self, name)]
        if self.kind not in TABLE_KINDS and unused:
            raise UserError(f"condition.kind {self.kind} takes no condition.{unused[0]}")
        if self.prompt and self.planner:
            raise UserError("condition.prompt and condition.planner exclude each other")
        if self.hold < 0:
            raise UserError(f"condition.hold must not be negative, not {self.hold:g}")
