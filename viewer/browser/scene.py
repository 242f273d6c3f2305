"""Scene of the page: meshes of figures once, then only where they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
import torch
import trimesh
import viser

from hoigym.motions.rotations import quat_mul, quat_rotate
from hoigym.motions.skeleton import Skeleton
from hoigym.rendering.pose import GHOST_COLOUR, HORIZON, TOUCH, ZENITH, Colour, ObjectLook, Pose
from hoigym.rendering.stage import CHANGES_COLOUR, Stage
from hoigym.viewer.base import Moment, Setup, Track

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


# --- Draws figures into the page's scene: meshes once, then only where they are -------------------------------------


_WORLD = "/world"
_FLOOR, _CELL, _SECTION = (226, 230, 235), (205, 210, 216), (172, 179, 187)
_GHOST_OPACITY = 0.35
_TRACK_WIDTH = 0.015  # [m]
_SUN = (1.5, -1.0, 4.0)
_OUT_OF_SIGHT = np.array((0.0, 0.0, -1000.0), dtype=np.float32)
_UNTURNED = np.array((1.0, 0.0, 0.0, 0.0), dtype=np.float32)


class BrowserScene:
    """The floor and the figures. All of it stands in a world that `centre` moves under the audience's cameras."""

    def __init__(self, server: viser.ViserServer):
        self._server = server
        self._meshes = _primitives()
        self._figures: list[_Batch] = []
        self._ghosts: list[_Batch] = []
        self._tracks: list[viser.LineSegmentsHandle] = []
        self._world = server.scene.add_frame(_WORLD, show_axes=False)
        _lay_the_floor(server)
        _light(server)

    def begin(self, setup: Setup) -> None:
        """Sends the meshes and tracks of another setup."""
        for handle in (*self._figures, *self._ghosts, *self._tracks):
            handle.remove()
        parts = figure_parts(setup.skeleton, setup.objects, setup.projectiles)
        self._figures = [self._batch(setup, name, part, None) for name, part in parts.items()]
        ghost = figure_parts(setup.skeleton, setup.objects) if setup.ghost else {}
        self._ghosts = [self._batch(setup, name, part, _GHOST_OPACITY) for name, part in ghost.items()]
        self._tracks = [self._track(index, track) for index, track in enumerate(setup.tracks)]

    def show(self, moments: Sequence[Moment]) -> None:
        """Moves the figures and their ghosts."""
        with self._server.atomic():
            for batch in self._figures:
                batch.move([moment.pose for moment in moments])
            for batch in self._ghosts:
                batch.move([moment.ghost for moment in moments])

    def show_tracks(self, visible: bool) -> None:
        """Whether the paths are drawn."""
        for handle in self._tracks:
            handle.visible = visible

    def show_ghosts(self, visible: bool) -> None:
        """Whether the ghosts are drawn."""
        for batch in self._ghosts:
            batch.show(visible)

    def centre(self, point: np.ndarray) -> None:
        """Puts a point of the floor (2,) [m] under the middle of the view."""
        self._world.position = (-float(point[0]), -float(point[1]), 0.0)

    def _batch(self, setup: Setup, name: Primitive, parts: Parts, opacity: float | None) -> "_Batch":
        kind = "figure" if opacity is None else "ghost"
        return _Batch(self._server, f"{_WORLD}/{kind}/{name}", self._meshes[name], parts, setup.figures, opacity)

    def _track(self, index: int, track: Track) -> viser.LineSegmentsHandle:
        points = np.stack((track.points[:-1], track.points[1:]), axis=1).astype(np.float32)
        return self._server.scene.add_line_segments(
            f"{_WORLD}/tracks/{index}", points=points, colors=rgb(track.colour), thickness=_TRACK_WIDTH
        )


class _Batch:
    """All parts of one primitive of all figures: one mesh, and a pose, size and colour for each part."""

    def __init__(
        self,
        server: viser.ViserServer,
        name: str,
        mesh: trimesh.Trimesh,
        parts: Parts,
        figures: int,
        opacity: float | None,
    ):
        self._parts, self._ghost = parts, opacity is not None
        own = np.tile(rgb(GHOST_COLOUR), (len(parts.owner), 1)) if self._ghost else parts.colour
        self._colours = colours = np.tile(own, (figures, 1))
        self._handle = server.scene.add_batched_meshes_simple(
            name,
            vertices=mesh.vertices,
            faces=mesh.faces,
            batched_positions=np.tile(_OUT_OF_SIGHT, (len(colours), 1)),
            batched_wxyzs=np.tile(_UNTURNED, (len(colours), 1)),
            batched_scales=np.tile(parts.scale, (figures, 1)),
            batched_colors=_linear(colours),
            opacity=opacity,
            flat_shading=name.endswith("box"),
            lod="off",
            cast_shadow=not self._ghost,
            receive_shadow=False,
        )

    def move(self, poses: Sequence[Pose | None]) -> None:
        """Puts every figure where its pose says; None is out of sight."""
        placed = [self._place(pose) for pose in poses]
        self._handle.batched_positions = np.concatenate([position for position, _ in placed])
        self._handle.batched_wxyzs = np.concatenate([quat for _, quat in placed])
        if self._ghost:
            return
        colours = np.concatenate([self._parts.dye(pose) for pose in poses if pose is not None])
        if not np.array_equal(colours, self._colours):
            self._colours = colours
            self._handle.batched_colors = _linear(colours)

    def show(self, visible: bool) -> None:
        """Whether they are drawn."""
        self._handle.visible = visible

    def remove(self) -> None:
        """Takes them off the scene."""
        self._handle.remove()

    def _place(self, pose: Pose | None) -> tuple[np.ndarray, np.ndarray]:
        if pose is not None:
            return self._parts.place(pose)
        parts = len(self._parts.owner)
        return np.tile(_OUT_OF_SIGHT, (parts, 1)), np.tile(_UNTURNED, (parts, 1))


def _light(server: viser.ViserServer) -> None:
    """Sky and sun; the sun goes with the audience, so that shadows are where it looks."""
    scene = server.scene
    scene.configure_default_lights(enabled=False)
    scene.add_light_hemisphere("/sky", sky_color=(255, 255, 255), ground_color=(150, 150, 155), intensity=1.7)
    scene.add_light_directional("/sun", color=(255, 250, 240), intensity=1.9, cast_shadow=True, position=_SUN)
    rows = np.linspace(0.0, 1.0, 64)[:, None, None]
    sky = (1 - rows) * rgb(ZENITH) + rows * rgb(HORIZON)
    scene.set_background_image(sky.astype(np.uint8).repeat(2, axis=1), format="png")


def _lay_the_floor(server: viser.ViserServer) -> None:
    server.scene.add_grid(
        f"{_WORLD}/floor",
        width=60.0,
        height=60.0,
        cell_size=0.5,
        section_size=1.0,
        cell_color=_CELL,
        section_color=_SECTION,
        fade_distance=30.0,
        shadow_opacity=0.3,
        plane_color=_FLOOR,
        plane_opacity=1.0,
    )


def _primitives() -> dict[Primitive, trimesh.Trimesh]:
    """Of size 1, coarse enough for a browser without a GPU."""
    tube = trimesh.creation.cylinder(radius=1.0, height=2.0, sections=16)
    # Its ends are inside of spheres, and round the light off where they meet the side.
    tube.update_faces(np.abs(tube.face_normals[:, 2]) < 0.5)
    return {
        "sphere": trimesh.creation.uv_sphere(radius=1.0, count=[12, 16]),
        "cylinder": tube,
        "box": trimesh.creation.box(extents=(2.0, 2.0, 2.0)),
    }


def _linear(colours: np.ndarray) -> np.ndarray:
    """What a batch must be sent for it to be seen in colours (..., 3) uint8: it takes light, not sRGB."""
    share = colours / 255.0
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.round(255 * light).astype(np.uint8)
