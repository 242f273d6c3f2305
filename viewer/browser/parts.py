"""What a figure is built of: spheres, cylinders and boxes that hang on its bodies and objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
import torch

from envs.drawing.look import TOUCH, Colour, ObjectLook
from envs.drawing.pose import Pose
from envs.drawing.stage import CHANGES_COLOUR, Stage
from motions.rotations import quat_mul, quat_rotate
from motions.skeleton import Skeleton

Primitive = Literal["sphere", "cylinder", "box"]
"""Of size 1: a sphere of radius 1, a cylinder of radius 1 from z = -1 to 1, a box from -1 to 1."""
_GEOM = mujoco.mjtGeom
_OF_GEOM: dict[int, Primitive] = {
    int(_GEOM.mjGEOM_SPHERE): "sphere",
    int(_GEOM.mjGEOM_CAPSULE): "cylinder",
    int(_GEOM.mjGEOM_CYLINDER): "cylinder",
    int(_GEOM.mjGEOM_BOX): "box",
}


@dataclass(frozen=True)
class Parts:
    """I parts of one primitive.

    owner (I,): the body, B + the object, or B + K + the projectile that a part moves with. position (I, 3), quat
    (I, 4) wxyz: in its owner's frame. scale (I, 3). colour (I, 3) uint8; dyed (I,) bool: takes the colour of contact.
    """

    owner: np.ndarray
    position: torch.Tensor
    quat: torch.Tensor
    scale: np.ndarray
    colour: np.ndarray
    dyed: np.ndarray

    def place(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Positions (I, 3) [m] and orientations (I, 4) in the world."""
        places = np.concatenate((pose.body_pos, pose.object_pos, pose.projectile_pos))
        turns = np.concatenate((pose.body_quat, pose.object_quat, pose.projectile_quat))
        owner_pos = torch.from_numpy(places[self.owner]).float()
        owner_quat = torch.from_numpy(turns[self.owner]).float()
        position = owner_pos + quat_rotate(owner_quat, self.position)
        return position.numpy(), quat_mul(owner_quat, self.quat).numpy()

    def dye(self, pose: Pose) -> np.ndarray:
        """Colours (I, 3) uint8, with that of contact where the pose says so."""
        thrown = np.zeros(len(pose.projectile_pos), dtype=bool)
        touching = np.concatenate((pose.body_touch, pose.object_touch, thrown))
        return np.where((touching[self.owner] & self.dyed)[:, None], rgb(TOUCH), self.colour)


def figure_parts(
    skeleton: Skeleton, objects: Sequence[ObjectLook], projectiles: Sequence[ObjectLook] = ()
) -> dict[Primitive, Parts]:
    """The parts of a humanoid, its objects and what is thrown at it: those of the stage that videos are drawn on."""
    model = Stage(skeleton, objects, projectiles=projectiles).model
    rows: dict[Primitive, list[tuple]] = {"sphere": [], "cylinder": [], "box": []}
    for geom in range(model.ngeom):
        owner = int(model.body_mocapid[model.geom_bodyid[geom]])
        if owner < 0:
            continue  # floor
        kind, size, place = int(model.geom_type[geom]), model.geom_size[geom], model.geom_pos[geom]
        colour = np.round(255 * model.geom_rgba[geom, :3]).astype(np.uint8)
        dyed = int(model.geom_group[geom]) == CHANGES_COLOUR
        quat = model.geom_quat[geom]
        rows[_OF_GEOM[kind]].append((owner, place, quat, _scale(kind, size), colour, dyed))
        if kind == _GEOM.mjGEOM_CAPSULE:
            axis = np.zeros(3)
            mujoco.mju_rotVecQuat(axis, np.array((0.0, 0.0, size[1])), quat)
            for end in (place - axis, place + axis):
                rows["sphere"].append((owner, end, quat, np.full(3, size[0]), colour, dyed))
    return {primitive: _stack(_without_twins(found)) for primitive, found in rows.items() if found}


def rgb(colour: Colour) -> np.ndarray:
    """(3,) uint8."""
    return np.round(255 * np.array(colour)).astype(np.uint8)


def _scale(kind: int, size: np.ndarray) -> np.ndarray:
    if kind == _GEOM.mjGEOM_SPHERE:
        return np.full(3, size[0])
    if kind == _GEOM.mjGEOM_BOX:
        return size.copy()
    return np.array((size[0], size[0], size[1]))


def _without_twins(rows: list[tuple]) -> list[tuple]:
    """Capsules of one body share ends."""
    unique = {(row[0], *np.round(row[1], 5), *np.round(row[3], 5)): row for row in reversed(rows)}
    return list(reversed(unique.values()))


def _stack(rows: list[tuple]) -> Parts:
    owner, position, quat, scale, colour, dyed = (np.array(column) for column in zip(*rows, strict=True))
    return Parts(
        owner=owner,
        position=torch.from_numpy(position).float(),
        quat=torch.from_numpy(quat).float(),
        scale=scale.astype(np.float32),
        colour=colour,
        dyed=dyed,
    )
