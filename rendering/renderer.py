"""Renderer: draws poses into pictures, and what the environment's `render` returns."""

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from hoigym.core.errors import UserError
from hoigym.motions.skeleton import Skeleton
from hoigym.rendering.camera import FollowCamera
from hoigym.rendering.gl import offscreen_renderer
from hoigym.rendering.pose import ObjectLook, Pose, looks_of, looks_of_projectiles
from hoigym.rendering.stage import GHOST, MAIN, Stage
from hoigym.sim.base import SimState
from hoigym.sim.scene.scene import Scene

_SUN_DISTANCE = 5.0
SMALLEST, _LARGEST = 16, 4096


class PoseRenderer:
    """Draws one figure, and a ghost of it where asked for, into pictures of one size [pixels].

    Raises UserError for a size that cannot be drawn, and NoOpenGL where there is nothing to draw with.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        objects: Sequence[ObjectLook],
        width: int,
        height: int,
        ghost: bool = False,
        projectiles: Sequence[ObjectLook] = (),
    ):
        check_size(width, height)
        self._stage = Stage(skeleton, objects, ghost, projectiles=projectiles)
        self._has_ghost = ghost
        self._renderer = offscreen_renderer(self._stage.model, width, height)

    def draw(
        self,
        pose: Pose,
        view: mujoco.MjvCamera,
        ghost: Pose | None = None,
        ghost_offset: np.ndarray | None = None,
    ) -> np.ndarray:
        """The picture (height, width, 3) uint8 of a pose, with the ghost moved by ghost_offset (3,) [m]."""
        self._stage.place(MAIN, pose)
        if self._has_ghost:
            self._stage.place(GHOST, ghost, ghost_offset)
        self._stage.update()
        self._renderer.update_scene(self._stage.data, view)
        scene = self._renderer.scene
        for geom in scene.geoms[: scene.ngeom]:
            if geom.rgba[3] < 1.0 or geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
                geom.category = mujoco.mjtCatBit.mjCAT_DECOR  # casts no shadow
        sun = scene.lights[1]  # 0 is the headlight
        # The sun stands over the camera's shoulder; shadows are drawn around the point it looks at.
        sun.dir = sun_direction(view.azimuth)
        sun.pos = view.lookat - _SUN_DISTANCE * sun.dir
        return self._renderer.render()

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._renderer.close()


def check_size(width: int, height: int) -> None:
    """Raises UserError for a picture that cannot be drawn."""
    if min(width, height) < SMALLEST or max(width, height) > _LARGEST:
        limits = f"{SMALLEST} to {_LARGEST} pixels a side"
        raise UserError(f"picture size {width} x {height}: expected {limits}")


def sun_direction(azimuth: float) -> np.ndarray:
    """Where the light shines to, for a camera that looks along azimuth [degrees]."""
    turn = math.radians(azimuth - 40.0)
    light = np.array((0.85 * math.cos(turn), 0.85 * math.sin(turn), -1.0))
    return light / np.linalg.norm(light)


# --- What the environment's `render` returns ------------------------------------------------------------------------


class EnvRenderer:
    """Draws every row of a simulation, as gymnasium's "rgb_array" mode wants it.

    Bodies and objects that touch each other have the colour of contact. dt [s]: between two pictures. Raises
    NoOpenGL (a UserError) where there is nothing to draw with.
    """

    def __init__(self, scene: Scene, num_envs: int, dt: float, width: int = 320, height: int = 240):
        boxes = looks_of_projectiles(scene.config)
        self._renderer = PoseRenderer(scene.skeleton, looks_of(scene.config), width, height, projectiles=boxes)
        self._cameras = [FollowCamera(scene.skeleton, width / height) for _ in range(num_envs)]
        self._dt = dt

    def render(self, state: SimState) -> tuple[np.ndarray, ...]:
        """One picture (height, width, 3) uint8 of each row."""
        poses = [Pose.of_state(state, row) for row in range(len(self._cameras))]
        return tuple(
            self._renderer.draw(pose, camera.follow(pose, self._dt))
            for pose, camera in zip(poses, self._cameras, strict=True)
        )

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._renderer.close()
