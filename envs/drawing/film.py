"""Films a sequence of poses: pictures and depth."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from envs.drawing.appearance import EMBODIMENTS, Appearance, jittered, random_colours
from envs.drawing.camera import FollowCamera
from envs.drawing.look import ObjectLook
from envs.drawing.pose import Pose
from envs.drawing.small import SmallRenderer
from envs.drawing.static_camera import CameraChoice, static_view, unseen_camera, usual_camera
from motions.errors import UserError
from motions.skeleton import Skeleton

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
