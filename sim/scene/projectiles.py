"""Writes the boxes that can be thrown at the humanoid into a MuJoCo model, and says where they wait."""

import mujoco
import numpy as np

from hoigym.sim.scene.config import ProjectileConfig
from hoigym.sim.scene.contacts import Group

PARKED_ABOVE = 100.0
"""A box higher than this [m] waits to be thrown: high enough to be out of every picture and every throw."""
_PARKED_AT = 200.0
_APART = 2.0


def add_projectiles(spec: mujoco.MjSpec, config: ProjectileConfig) -> None:
    """Free boxes at `parking_places`.

    They meet humanoid, objects and ground, but not each other, so that a throw never begins inside a box that lies
    about. That is said on their side alone: nothing else in the model changes with their number.
    """
    for index, place in enumerate(parking_places(config)):
        body = spec.worldbody.add_body(name=projectile_name(index), pos=place)
        body.add_freejoint(name=projectile_name(index))
        body.add_geom(
            name=projectile_name(index),
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=(config.size / 2,) * 3,
            density=config.density,
            condim=3,
            contype=0,
            conaffinity=int(Group.GROUND | Group.HUMANOID | Group.OBJECT),
            rgba=(0.75, 0.25, 0.25, 1.0),
        )


def parking_places(config: ProjectileConfig) -> np.ndarray:
    """Where the boxes wait, (P, 3) [m]."""
    places = np.zeros((config.count, 3))
    places[:, 0] = _APART * np.arange(config.count) * max(config.size, 1.0)
    places[:, 2] = _PARKED_AT
    return places


def projectile_name(index: int) -> str:
    """Of body, joint and geom of a box."""
    return f"projectile{index}"
