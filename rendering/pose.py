"""Pose: what there is to draw of one humanoid, its objects and projectiles at one moment, and their colours."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hoigym.sim.base import SimState
from hoigym.sim.scene.config import SceneConfig

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


# --- What there is to draw of one humanoid, its objects and the boxes thrown at it at one moment --------------------


@dataclass(frozen=True)
class Pose:
    """World poses of B bodies and K objects, and what touches.

    body_pos (B, 3) [m], body_quat (B, 4) wxyz, object_pos (K, 3), object_quat (K, 4); body_touch (B,) bool:
    the body touches an object; object_touch (K,) bool: the object is touched. Both are drawn in the colour
    of contact. projectile_pos (P, 3), projectile_quat (P, 4): boxes of `SceneConfig.projectiles`, none where left
    out; those higher than `envs.scene.projectiles.PARKED_ABOVE` wait to be thrown and are out of sight.
    """

    body_pos: np.ndarray
    body_quat: np.ndarray
    object_pos: np.ndarray
    object_quat: np.ndarray
    body_touch: np.ndarray
    object_touch: np.ndarray
    projectile_pos: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    projectile_quat: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))

    @staticmethod
    def of_state(state: SimState, row: int) -> "Pose":
        """The pose of a row of a simulation; touch is what the engine reports."""
        contact = state.object_contact[row].cpu()
        return Pose(
            body_pos=state.body_pos[row].cpu().numpy().copy(),
            body_quat=state.body_quat[row].cpu().numpy().copy(),
            object_pos=state.object_pos[row].cpu().numpy().copy(),
            object_quat=state.object_quat[row].cpu().numpy().copy(),
            body_touch=contact.any(dim=1).numpy(),
            object_touch=contact.any(dim=0).numpy(),
            projectile_pos=state.projectile_pos[row].cpu().numpy().copy(),
            projectile_quat=state.projectile_quat[row].cpu().numpy().copy(),
        )
