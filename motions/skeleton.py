"""Skeletons: the body tables that clips and simulated humanoids share."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

_TABLES = Path(__file__).parent / "skeletons"
SKELETON_NAMES = tuple(sorted(path.stem for path in _TABLES.glob("*.yaml")))


@dataclass(frozen=True)
class Shape:
    """Collision shape of a body in its frame; gives the inertia too.

    type: sphere, capsule, box or cylinder. size: (radius,) or box half extents [m]. fromto: end points [m] of
    a capsule or cylinder. pos: centre [m] of the others. density [kg/m^3].
    """

    type: str
    size: tuple[float, ...]
    fromto: tuple[float, ...] | None = None
    pos: tuple[float, ...] = (0.0, 0.0, 0.0)
    density: float = 1000.0


@dataclass(frozen=True)
class Body:
    """One body: offset from its parent [m], joint drive (stiffness N m/rad, damping N m s/rad), shape."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    drive: tuple[float, float]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A humanoid of B bodies, parents before children; joint j is the ball joint of body j + 1.

    key_bodies, fingertips, hands, forearms, contact_free hold body indices; fingers too (the bodies that
    `hands: locked` fixes to the wrist). fps is the rate of the published clips on this skeleton.
    """

    name: str
    fps: float
    armature: float
    bodies: tuple[Body, ...]
    key_bodies: tuple[int, ...]
    fingertips: tuple[int, ...]
    fingers: tuple[int, ...]
    hands: tuple[int, ...]
    forearms: tuple[int, ...]
    contact_free: tuple[int, ...]

    @property
    def num_bodies(self) -> int:
        return len(self.bodies)

    @property
    def num_joints(self) -> int:
        return len(self.bodies) - 1

    @functools.cached_property
    def body_names(self) -> tuple[str, ...]:
        return tuple(body.name for body in self.bodies)

    @functools.cached_property
    def parents(self) -> tuple[int, ...]:
        """Parent index of every body, -1 for the root."""
        return tuple(body.parent for body in self.bodies)

    @functools.cached_property
    def offsets(self) -> np.ndarray:
        """Offset of every body from its parent [m], (B, 3) float64."""
        return np.array([body.offset for body in self.bodies])

    @functools.cached_property
    def finger_joints(self) -> tuple[int, ...]:
        """Joint indices (0 .. J-1) of the fingers."""
        return tuple(body - 1 for body in self.fingers)

    def index(self, name: str) -> int:
        """Body index of a name; raises ValueError for an unknown one."""
        return self.body_names.index(name)


@functools.cache
def load_skeleton(name: str) -> Skeleton:
    """The skeleton called name ("mocap": 53 bodies, "parahome": 61); raises ValueError for another name."""
    if name not in SKELETON_NAMES:
        raise ValueError(f"no skeleton '{name}'; there are {', '.join(SKELETON_NAMES)}")
    table = yaml.safe_load((_TABLES / f"{name}.yaml").read_text())
    order = {row["name"]: index for index, row in enumerate(table["bodies"])}

    def indices(key: str) -> tuple[int, ...]:
        return tuple(order[body] for body in table[key])

    return Skeleton(
        name=table["name"],
        fps=float(table["fps"]),
        armature=table["armature"],
        bodies=tuple(_body(row, order) for row in table["bodies"]),
        key_bodies=indices("key_bodies"),
        fingertips=indices("fingertips"),
        fingers=indices("fingers"),
        hands=indices("hands"),
        forearms=indices("forearms"),
        contact_free=indices("contact_free"),
    )


def _body(row: dict, order: dict[str, int]) -> Body:
    shape: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row["shape"].items()
    }
    return Body(
        name=row["name"],
        parent=order[row["parent"]] if row["parent"] else -1,
        offset=tuple(row["pos"]),
        drive=tuple(row.get("drive", (0.0, 0.0))),
        shape=Shape(**shape),
    )
