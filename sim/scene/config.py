"""Typed description of a scene."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class BallConfig:
    """A ball whose bounce off hard ground is set by a spring and a damper per unit mass.

    With k = contact_stiffness, b = contact_damping and the physics step dt, k dt^2 <= 0.35 keeps the bounce
    even over all impact phases and b = 0.15 sqrt(k) gives a restitution of about 0.8.
    """

    name: str = "ball"
    radius: float = 0.12
    """[m]"""
    density: float = 1000.0
    """[kg/m^3]; the published ball weighs 7.24 kg, a real one 0.62 kg."""
    friction: float = 1.0
    contact_stiffness: float = 5000.0
    """[1/s^2]"""
    contact_damping: float = 10.6
    """[1/s]"""

    def __post_init__(self) -> None:
        if not self.radius > 0 or not self.density > 0:
            raise ValueError(f"a ball without radius or density: {self}")


@dataclass(frozen=True)
class ProjectileConfig:
    """Boxes that can be thrown at the humanoid; no part of observation or reward.

    Size and density are those of the SkillMimic-V2 release: 27 kg each. SkillMimic's had 200 kg/m^3.
    """

    count: int = 0
    """Boxes per row; the oldest is thrown again."""
    size: float = 0.3
    """Edge [m]."""
    density: float = 1000.0
    """[kg/m^3]"""

    def __post_init__(self) -> None:
        if self.count < 0 or not self.size > 0 or not self.density > 0:
            raise ValueError(f"projectiles: count below 0, or no size or density: {self}")

    @property
    def mass(self) -> float:
        """Of one box [kg]."""
        return self.density * self.size**3


@dataclass(frozen=True)
class SceneConfig:
    """One humanoid, K objects, P projectiles and the ground."""

    skeleton: Literal["mocap", "parahome"] = "mocap"
    hands: Literal["full", "locked"] = "full"
    """locked: fingers are fixed to the wrist; about five times faster."""
    locked_pose: tuple[float, ...] = ()
    """Exp-maps of the finger joints, one after the other, in which locked fingers stay [rad]; the mean over the clips
    where empty. A run keeps those it began with: with other clips its policy would not know its own hands."""
    objects: tuple[BallConfig, ...] = field(default_factory=lambda: (BallConfig(),))
    projectiles: ProjectileConfig = field(default_factory=ProjectileConfig)
    self_collision: bool = True
    """Whether the humanoid's bodies collide with each other (neighbours and parts of one hand never do)."""
    physics_hz: int = 120
    """Physics rate [Hz]; a multiple of the control rate."""
    control_hz: int = 60
    """Policy rate [Hz]."""
    solver_iterations: int = 20
    linesearch_iterations: int = 20

    def __post_init__(self) -> None:
        for name in ("physics_hz", "control_hz", "solver_iterations", "linesearch_iterations"):
            if getattr(self, name) < 1:
                raise ValueError(f"scene.{name} {getattr(self, name)}: expected 1 or more")
        if self.physics_hz % self.control_hz:
            rates = f"physics_hz {self.physics_hz} is not a multiple of control_hz {self.control_hz}"
            raise ValueError(rates)

    @property
    def substeps(self) -> int:
        """Physics steps per control step."""
        return self.physics_hz // self.control_hz
