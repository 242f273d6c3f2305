"""Which kinds of geoms collide."""

import enum

import mujoco


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
