"""The model that is drawn: sky, floor, sun, and figures whose every body is posed from outside.

It knows no physics, so any engine and any clip is drawn from the same few poses.
"""

from collections.abc import Sequence

import mujoco
import numpy as np

from hoigym.motions.skeleton import Shape, Skeleton
from hoigym.rendering.appearance import Appearance, body_group, shaped_pose, shaped_skeleton
from hoigym.rendering.pose import (
    BALL_SEAM,
    GHOST_ALPHA,
    GHOST_COLOUR,
    OBJECTS,
    PROJECTILE,
    TOUCH,
    Colour,
    ObjectLook,
    Pose,
)

MAIN, GHOST = "main", "ghost"
FIELD_OF_VIEW = 40.0  # vertical [degrees]
_BONE, _TRUNK_BONE = 0.035, 0.085  # radius [m]
CHANGES_COLOUR, KEEPS_COLOUR = 0, 1  # geom groups


class Stage:
    """A main figure, and a ghost figure where asked for: a humanoid and its objects each, posed by `place`.

    model and data are MuJoCo's; only poses and colours change. appearance: of everything but the ghost's
    colours. plain: few facets and no smoothing of edges, for many small pictures. projectiles: of
    the main figure.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        objects: Sequence[ObjectLook],
        ghost: bool = False,
        appearance: Appearance | None = None,
        plain: bool = False,
        projectiles: Sequence[ObjectLook] = (),
    ):
        appearance = appearance or Appearance()
        self._figures = (MAIN, GHOST) if ghost else (MAIN,)
        self._skeleton, self._shaped = skeleton, shaped_skeleton(skeleton, appearance.proportions)
        spec = mujoco.MjSpec()
        _set_the_scene(spec, appearance, plain)
        for figure in self._figures:
            _add_humanoid(spec, figure, self._shaped, appearance)
            for index, look in enumerate(objects):
                colour = appearance.ball if index == 0 else OBJECTS[index % len(OBJECTS)]
                _add_object(spec, f"{figure}/object{index}", look, _rgba(colour, figure))
        for index, look in enumerate(projectiles):
            _add_object(spec, f"{MAIN}/projectile{index}", look, _rgba(PROJECTILE, MAIN))
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._parts = skeleton.num_bodies + len(objects)
        self._projectiles = slice(len(self._figures) * self._parts, self.model.nmocap)
        self._geom_part = self.model.body_mocapid[self.model.geom_bodyid]  # -1: floor
        self._own_rgba = self.model.geom_rgba.copy()

    def place(self, figure: str, pose: Pose | None, offset: np.ndarray | None = None) -> None:
        """Puts a figure where pose says, moved by offset (3,) [m]; None hides it."""
        first = self._figures.index(figure) * self._parts
        parts = slice(first, first + self._parts)
        mine = (self._geom_part >= parts.start) & (self._geom_part < parts.stop)
        self.model.geom_rgba[mine] = self._own_rgba[mine]
        if pose is None:
            self.model.geom_rgba[mine, 3] = 0.0
            return
        pose = shaped_pose(self._skeleton, self._shaped, pose)
        self.data.mocap_pos[parts] = np.concatenate((pose.body_pos, pose.object_pos))
        if offset is not None:
            self.data.mocap_pos[parts] += offset
        self.data.mocap_quat[parts] = np.concatenate((pose.body_quat, pose.object_quat))
        if figure == MAIN:
            self.data.mocap_pos[self._projectiles] = pose.projectile_pos
            self.data.mocap_quat[self._projectiles] = pose.projectile_quat
        touching = np.flatnonzero(np.concatenate((pose.body_touch, pose.object_touch))) + first
        touched = np.isin(self._geom_part, touching) & (self.model.geom_group == CHANGES_COLOUR)
        self.model.geom_rgba[touched, :3] = TOUCH

    def update(self) -> None:
        """Makes data follow the placed figures."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)


def _set_the_scene(spec: mujoco.MjSpec, look: Appearance, plain: bool) -> None:
    visual = spec.visual
    visual.global_.fovy = FIELD_OF_VIEW
    # Software OpenGL pays for every facet.
    visual.quality.numslices, visual.quality.numstacks = (8, 4) if plain else (16, 8)
    visual.quality.shadowsize = 2048
    if plain:
        visual.quality.offsamples = 0
    visual.headlight.ambient = (0.38 * look.light, 0.38 * look.light, 0.40 * look.light)
    visual.headlight.diffuse = (0.25 * look.light,) * 3
    visual.headlight.specular = (0.0, 0.0, 0.0)
    visual.rgba.haze = (*look.horizon, 1.0)
    # Clip planes and the area with shadows are multiples of the extent.
    spec.stat.extent, spec.stat.center = 3.0, (0.0, 0.0, 1.0)
    visual.map.znear, visual.map.zfar = 0.02, 40.0
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=look.zenith,
        rgb2=look.horizon,
        width=256,
        height=256,
    )
    spec.add_texture(
        name="floor",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=look.floor[0],
        rgb2=look.floor[1],
        width=512,
        height=512,
    )
    floor = spec.add_material(name="floor", texrepeat=(1, 1), texuniform=True, specular=0.1)
    floor.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "floor"
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 0.5), material="floor")
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        diffuse=(0.5 * look.light, 0.5 * look.light, 0.48 * look.light),
        specular=(0.25, 0.25, 0.25),
    )


def _add_humanoid(spec: mujoco.MjSpec, figure: str, skeleton: Skeleton, look: Appearance) -> None:
    """The collision shapes, joined by bones so that they do not hang in the air."""
    bodies = [spec.worldbody.add_body(name=f"{figure}/{body.name}", mocap=True) for body in skeleton.bodies]
    trunk = _trunk(skeleton)
    for index, body in enumerate(skeleton.bodies):
        colour = _rgba(_body_colour(skeleton, index, look), figure)
        _add_shape(bodies[index], body.shape, colour)
        if index in skeleton.fingers:
            continue  # a finger's own shape reaches to the next
        for child, other in enumerate(skeleton.bodies):
            if other.parent == index:
                thick = look.proportions.thickness
                radius = _TRUNK_BONE * thick if {index, child} <= trunk else _bone_radius(body.shape, thick)
                _add_bone(bodies[index], other.offset, radius, colour)


def _body_colour(skeleton: Skeleton, index: int, look: Appearance) -> Colour:
    if index in skeleton.hands:
        return look.hands
    return look.legs if body_group(skeleton, index) == "leg" else look.body


def _trunk(skeleton: Skeleton) -> set[int]:
    """Bodies on which both hands hang: the spine up to the chest."""

    def ancestors(body: int) -> set[int]:
        parent = skeleton.parents[body]
        return set() if parent < 0 else {parent} | ancestors(parent)

    return set.intersection(*(ancestors(hand) for hand in skeleton.hands))


def _bone_radius(shape: Shape, thickness: float) -> float:
    return 0.8 * shape.size[0] if shape.type == "capsule" else thickness * _BONE


def _add_shape(element: mujoco.MjsBody, shape: Shape, rgba: Sequence[float]) -> None:
    geom = element.add_geom(
        type=getattr(mujoco.mjtGeom, f"mjGEOM_{shape.type.upper()}"),
        size=np.pad(shape.size, (0, 3 - len(shape.size))),
        rgba=rgba,
    )
    if shape.fromto is not None:
        geom.fromto = shape.fromto
    else:
        geom.pos = shape.pos


def _add_bone(parent: mujoco.MjsBody, offset: Sequence[float], radius: float, rgba: Sequence[float]) -> None:
    if np.linalg.norm(offset) > 1e-6:
        parent.add_geom(type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=(radius, 0, 0), fromto=(0, 0, 0, *offset), rgba=rgba)


def _add_object(spec: mujoco.MjSpec, name: str, look: ObjectLook, rgba: tuple[float, float, float, float]) -> None:
    element = spec.worldbody.add_body(name=name, mocap=True)
    if look.shape == "box":
        element.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=look.size, pos=look.centre, rgba=rgba)
        return
    radius = look.size[0]
    element.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(radius, 0, 0), rgba=rgba)
    for normal in np.eye(3):
        # Discs whose rims stand out of the ball are its seams, by which its spin is seen.
        half = 0.018 * radius * normal
        element.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=(1.006 * radius, 0, 0),
            fromto=(*-half, *half),
            rgba=rgba if name.startswith(GHOST) else (*BALL_SEAM, 1.0),
            group=KEEPS_COLOUR,
        )


def _rgba(colour: Colour, figure: str) -> tuple[float, float, float, float]:
    return (*colour, 1.0) if figure == MAIN else (*GHOST_COLOUR, GHOST_ALPHA)
