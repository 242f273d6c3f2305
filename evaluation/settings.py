"""How trials are run."""

from dataclasses import dataclass

from evaluation.metrics import Form
from motions.errors import UserError


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """trials: of every cell, spread over the seeds. form: which metrics. horizon: length of a trial [s], 0 to the end
    of the clip; the table's where None. rows: trials side by side; chosen where 0. walk: skills of a skill walk, 0 for
    none; leg: how long each is asked for [s]. push: speed [m/s] of the blows of a further cell of each skill.
    projectiles: whether there is one with boxes thrown. scatter: whether there is one with objects at random places.
    """

    trials: int = 200
    seeds: tuple[int, ...] = (0,)
    form: Form = "corrected"
    horizon: float | None = None
    rows: int = 0
    walk: int = 0
    leg: float = 4.0
    push: float = 0.0
    projectiles: bool = False
    scatter: bool = False

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise UserError(f"seeds: expected different ones, got {list(self.seeds)}")
        if self.trials < 1 or self.trials % len(self.seeds):
            raise UserError(f"trials {self.trials}: expected a multiple of the {len(self.seeds)} seeds")
        if self.horizon is not None and not self.horizon >= 0:
            raise UserError(f"horizon {self.horizon}: expected seconds, or 0 for the end of the clip")
        if self.rows < 0:
            raise UserError(f"rows {self.rows}: expected 1 or more, or 0 for a choice")
        if self.push < 0:
            raise UserError(f"push {self.push}: expected a speed, or 0 for none")
        if self.walk < 0 or not self.leg > 0:
            raise UserError(f"walk {self.walk}, leg {self.leg}: expected a number of skills and seconds above 0")
