"""How boxes are thrown at humanoids."""

from dataclasses import dataclass

from motions.errors import UserError


@dataclass(frozen=True)
class ThrowConfig:
    """Where boxes come from and how fast; the values of `--projtype Auto` of the SkillMimic-V2 release."""

    body: str = ""
    """What they are aimed at; the second body where empty: the left hip, or the base of the spine."""
    distance: tuple[float, float] = (4.0, 5.0)
    """From the root over the ground, drawn from this range [m]."""
    height: tuple[float, float] = (0.25, 2.0)
    """[m]"""
    speed: tuple[float, float] = (30.0, 40.0)
    """Relative to the target's motion over the ground [m/s]."""
    spread: float = 0.1
    """Standard deviation of the direction, as a share of its length, along each axis; at 4.5 m, 0.1 is 0.45 m."""

    def __post_init__(self) -> None:
        for name in ("distance", "height", "speed"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise UserError(f"throw.{name} [{low}, {high}]: expected two numbers above 0, the smaller one first")
        if not self.spread >= 0:
            raise UserError(f"throw.spread {self.spread}: expected 0 or more")
