"""What the environment's `render` returns."""

import numpy as np

from envs.drawing.camera import FollowCamera
from envs.drawing.look import looks_of, looks_of_projectiles
from envs.drawing.pose import Pose
from envs.drawing.renderer import PoseRenderer
from envs.scene.scene import Scene
from envs.sim.base import SimState


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
