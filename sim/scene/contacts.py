"""Contacts of a scene: which geoms collide, and the sensors that report touches.

MuJoCo's contact sensors read the engine's own contact list, so a touch is a touch and never a guess from
forces.
"""

import enum
from dataclasses import dataclass

import mujoco
import numpy as np


class Group(enum.IntFlag):
    """Collision groups as MuJoCo contype bits."""

    GROUND = 1
    HUMANOID = 2
    OBJECT = 4


def set_collision(geom: mujoco.MjsGeom, group: Group, also: set[Group]) -> None:
    """Puts geom into group: groups always meet each other, and their own kind where `also` names it."""
    meets = {other for other in Group if other is not group} | also
    geom.contype = int(group)
    geom.conaffinity = sum(int(other) for other in meets)


# --- Sensors that report contacts: net force per body and object, and which body touches what -----------------------


_FOUND = 1 << int(mujoco.mjtConDataField.mjCONDATA_FOUND)
_FORCE = 1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE)
_NET_FORCE, _ANY = 3, 0  # reduction of several contacts to one record
WORLD = "world"


@dataclass(frozen=True)
class ContactColumns:
    """Columns of the sensor vector. force: (B + K, 3); touches_ground: (B,); touches_object: (B, K)."""

    force: np.ndarray
    touches_ground: np.ndarray
    touches_object: np.ndarray


def add_contact_sensors(spec: mujoco.MjSpec, bodies: tuple[str, ...], objects: tuple[str, ...]) -> None:
    """Adds the sensors for B bodies and K objects; `contact_columns` finds them in the compiled model."""
    for name in (*bodies, *objects):
        _add(spec, f"force/{name}", name, None, _FORCE, _NET_FORCE)
    for body in bodies:
        for other in (WORLD, *objects):
            _add(spec, f"touch/{body}/{other}", body, other, _FOUND, _ANY)


def contact_columns(model: mujoco.MjModel, bodies: tuple[str, ...], objects: tuple[str, ...]) -> ContactColumns:
    """Where the sensors of `add_contact_sensors` write."""

    def column(name: str) -> int:
        return int(model.sensor(name).adr[0])

    return ContactColumns(
        force=np.array([np.arange(3) + column(f"force/{name}") for name in (*bodies, *objects)]),
        touches_ground=np.array([column(f"touch/{body}/{WORLD}") for body in bodies]),
        touches_object=np.array(
            [[column(f"touch/{body}/{other}") for other in objects] for body in bodies], dtype=int
        ).reshape(len(bodies), len(objects)),
    )


def _add(spec: mujoco.MjSpec, name: str, body: str, other: str | None, data: int, reduce: int) -> None:
    sensor = spec.add_sensor(
        name=name, type=mujoco.mjtSensor.mjSENS_CONTACT, objtype=mujoco.mjtObj.mjOBJ_BODY, objname=body
    )
    if other is not None:
        sensor.reftype, sensor.refname = mujoco.mjtObj.mjOBJ_BODY, other
    sensor.intprm[:3] = data, reduce, 1
