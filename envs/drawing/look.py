"""Colours, and how objects are drawn."""

from dataclasses import dataclass
from typing import Literal

from envs.scene.config import SceneConfig

Colour = tuple[float, float, float]
BODY: Colour = (0.80, 0.82, 0.85)
HAND: Colour = (0.93, 0.78, 0.66)
TOUCH: Colour = (0.00, 0.72, 0.95)
"""Of whatever is in contact."""
GHOST_COLOUR: Colour = (0.20, 0.62, 0.36)
GHOST_ALPHA = 0.16
OBJECTS: tuple[Colour, ...] = ((0.93, 0.45, 0.12), (0.60, 0.40, 0.80))
PROJECTILE: Colour = (0.72, 0.20, 0.22)
BALL_SEAM: Colour = (0.16, 0.10, 0.08)
FLOOR: tuple[Colour, Colour] = ((0.86, 0.87, 0.89), (0.76, 0.78, 0.81))
HORIZON: Colour = (0.90, 0.93, 0.96)
ZENITH: Colour = (0.52, 0.66, 0.82)


@dataclass(frozen=True)
class ObjectLook:
    """How an object is drawn.

    size: (radius,) of a ball, half extents of a box [m]; centre: of a box, in the object's frame [m].
    """

    shape: Literal["ball", "box"]
    size: tuple[float, ...]
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)


def looks_of(scene: SceneConfig) -> tuple[ObjectLook, ...]:
    """How the objects of a simulated scene are drawn."""
    return tuple(ObjectLook("ball", (ball.radius,)) for ball in scene.objects)


def looks_of_projectiles(scene: SceneConfig) -> tuple[ObjectLook, ...]:
    """How the boxes that can be thrown in a scene are drawn."""
    half = scene.projectiles.size / 2
    return (ObjectLook("box", (half, half, half)),) * scene.projectiles.count
