"""How trials are run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from evaluation.metrics import Form
from motions.errors import UserError

Progress = Callable[[str, int, int], None]
"""Told what is under way, steps done, steps in all."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How trials are run, and which cells are measured beside those of the table. Raises UserError for what is none."""

    trials: int = 200
    """Trials of each skill, noisy start or switch; spread over the seeds."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of starts and noise."""
    metric: Form = "corrected"
    """The rules of success: corrected ones, or those of the published system."""
    horizon: float | None = None
    """Length of a trial [s]; 0 is to the end of the clip; that of the table, 10, where left out."""
    rows: int = 0
    """Trials that run side by side; 0 chooses."""
    walk: int = 0
    """Ask for so many skills one after the other, along the trajectory graph (of --env.start.graph_file, or built)."""
    leg: float = 4.0
    """How long each skill of a walk is asked for [s]."""
    push: float = 0.0
    """Also measure success when every second a blow gives the body this speed [m/s]."""
    projectiles: Literal["off", "auto"] = "off"
    """auto: also measure success when boxes are thrown, in the rhythm and at the speed of the published system."""
    scatter: bool = False
    """Also measure success with the objects at random places around the humanoid, as published for pick-up."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise UserError(f"seeds: expected different ones, got {list(self.seeds)}")
        if self.trials < 1:
            raise UserError(f"trials {self.trials}: expected 1 or more")
        if self.trials % len(self.seeds):
            raise UserError(f"trials {self.trials}: expected a multiple of the {len(self.seeds)} seeds")
        if self.horizon is not None and not self.horizon >= 0:
            raise UserError(f"horizon {self.horizon}: expected seconds, or 0 for the end of the clip")
        if self.rows < 0:
            raise UserError(f"rows {self.rows}: expected 1 or more, or 0 for a choice")
        if self.push < 0:
            raise UserError(f"push {self.push}: expected a speed, or 0 for none")
        if self.walk < 0 or not self.leg > 0:
            raise UserError(f"walk {self.walk}, leg {self.leg}: expected a number of skills and seconds above 0")
