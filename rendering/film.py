"""Film of a sequence of poses: many small pictures with depth."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np

from hoigym.core.errors import UserError
from hoigym.motions.skeleton import Skeleton
from hoigym.rendering.appearance import EMBODIMENTS, Appearance, jittered, random_colours
from hoigym.rendering.camera import CameraChoice, FollowCamera, static_view, unseen_camera, usual_camera
from hoigym.rendering.gl import offscreen_renderer
from hoigym.rendering.pose import ObjectLook, Pose
from hoigym.rendering.renderer import check_size, sun_direction
from hoigym.rendering.stage import MAIN, Stage


class SmallRenderer:
    """Draws one figure, without shadows or smoothed edges, about ten times as fast as `PoseRenderer`.

    width, height [pixels]. Raises UserError for a size that cannot be drawn, NoOpenGL where there is nothing to
    draw with.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        objects: Sequence[ObjectLook],
        width: int,
        height: int,
        appearance: Appearance | None = None,
    ):
        check_size(width, height)
        self._appearance = appearance or Appearance()
        self._stage = Stage(skeleton, objects, appearance=self._appearance, plain=True)
        self._renderer = offscreen_renderer(self._stage.model, width, height)
        planes = self._stage.model.vis.map
        extent = self._stage.model.stat.extent
        self._planes = np.float32(planes.znear * extent), np.float32(planes.zfar * extent)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = False

    def draw(self, pose: Pose, view: mujoco.MjvCamera) -> np.ndarray:
        """The picture (height, width, 3) uint8 of a pose, which has no colour of contact."""
        self._update(pose, view)
        return self._renderer.render()

    def draw_with_depth(self, pose: Pose, view: mujoco.MjvCamera) -> tuple[np.ndarray, np.ndarray]:
        """The picture, and for every pixel how far before the camera's plane it is (height, width) float32 [m]."""
        picture = self.draw(pose, view)
        height, width = picture.shape[:2]
        nearness = np.empty((height, width), dtype=np.float32)
        # MuJoCo's renderer would draw the scene again for its depth, which is still there.
        mujoco.mjr_readPixels(None, nearness, mujoco.MjrRect(0, 0, width, height), self._renderer._mjr_context)
        near, far = self._planes
        return picture, near * far / (np.flipud(nearness) * (far - near) + near)

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._renderer.close()

    def _update(self, pose: Pose, view: mujoco.MjvCamera) -> None:
        self._stage.place(MAIN, pose)
        self._stage.update()
        self._renderer.update_scene(self._stage.data, view)
        self._renderer.scene.lights[1].dir = sun_direction(view.azimuth + self._appearance.sun)


# --- Films a sequence of poses: pictures and depth ------------------------------------------------------------------


_LOOK = re.compile(rf"([{''.join(EMBODIMENTS)}])(-random)?(-side)?(-follow)?")


@dataclass(frozen=True)
class Film:
    """rgb (T, size, size, 3) uint8, depth (T, size, size) float32 [m], and how they were taken."""

    rgb: np.ndarray
    depth: np.ndarray
    appearance: Appearance
    camera: CameraChoice


@dataclass(frozen=True)
class Look:
    """An embodiment, whether in random colours and with changed proportions, whether from an unseen camera, and
    whether the camera follows the humanoid, as it must where nobody knows beforehand where that goes.
    """

    embodiment: str
    random: bool = False
    side: bool = False
    follow: bool = False

    def __str__(self) -> str:
        return self.embodiment + "-random" * self.random + "-side" * self.side + "-follow" * self.follow

    @staticmethod
    def parse(text: str) -> "Look":
        """The look that "A", "B-random", "A-side" or "C-random-side" names; raises UserError for another text."""
        found = _LOOK.fullmatch(text)
        if found is None:
            names = ", ".join(EMBODIMENTS)
            expected = f"one of {names}, then -random, -side, -follow or several of them, in this order"
            raise UserError(f"unknown look '{text}'; expected {expected}")
        return Look(found[1], *(bool(part) for part in found.groups()[1:]))

    def draw(self, rng: np.random.Generator, camera_rng: np.random.Generator | None) -> tuple[Appearance, CameraChoice]:
        """One appearance and camera of this look, each from its own random numbers; the middle camera for None."""
        appearance = EMBODIMENTS[self.embodiment]
        if self.random:
            appearance = jittered(random_colours(appearance, rng), rng)
        return appearance, unseen_camera(camera_rng) if self.side else usual_camera(camera_rng)


def film(
    skeleton: Skeleton,
    objects: Sequence[ObjectLook],
    poses: Sequence[Pose],
    look: Look,
    rng: np.random.Generator,
    camera_rng: np.random.Generator | None,
    size: int,
    dt: float,
) -> Film:
    """Pictures of the poses, dt [s] apart, `size` pixels a side, in one draw of the look; contact has no colour.

    Raises UserError for a size that cannot be drawn, NoOpenGL where there is nothing to draw with.
    """
    appearance, camera = look.draw(rng, camera_rng)
    static = None if look.follow else static_view(skeleton, poses, camera)
    following = following_camera(skeleton, camera)
    renderer = SmallRenderer(skeleton, objects, size, size, appearance)
    try:
        pairs = [renderer.draw_with_depth(untouched(pose), static or following.follow(pose, dt)) for pose in poses]
    finally:
        renderer.close()
    return Film(np.stack([rgb for rgb, _ in pairs]), np.stack([depth for _, depth in pairs]), appearance, camera)


def following_camera(skeleton: Skeleton, choice: CameraChoice) -> FollowCamera:
    """A camera for square pictures that starts where a static one would stand, and follows."""
    return FollowCamera(skeleton, 1.0, turn=choice.azimuth, elevation=choice.elevation)


def untouched(pose: Pose) -> Pose:
    """The pose without the colour of contact, which is not there to be seen in the world."""
    return replace(pose, body_touch=np.zeros_like(pose.body_touch), object_touch=np.zeros_like(pose.object_touch))
