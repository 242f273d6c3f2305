"""Poses to draw."""

import numpy as np

from hoigym.motions.skeleton import load_skeleton
from hoigym.rendering.pose import ObjectLook, Pose

SKELETON = load_skeleton("mocap")
BALL = ObjectLook("ball", (0.12,))
UPRIGHT = np.array([0.5**0.5, 0.5**0.5, 0.0, 0.0])
"""Turns the y-up rest pose of the mocap skeleton upright; it then faces -y."""


def standing(
    root: tuple[float, float, float] = (0.0, 0.0, 0.975),
    ball: tuple[float, float, float] = (0.0, -0.6, 1.0),
    touch: bool = False,
) -> Pose:
    """The rest pose at root with a ball; touch: the left hand and the ball touch."""
    body_pos = np.zeros((SKELETON.num_bodies, 3))
    for index, parent in enumerate(SKELETON.parents):
        if parent >= 0:
            x, y, z = SKELETON.offsets[index]
            body_pos[index] = body_pos[parent] + (x, -z, y)
    body_touch = np.zeros(SKELETON.num_bodies, dtype=bool)
    body_touch[SKELETON.index("L_Wrist")] = touch
    return Pose(
        body_pos=body_pos + root,
        body_quat=np.tile(UPRIGHT, (SKELETON.num_bodies, 1)),
        object_pos=np.array([ball]),
        object_quat=np.array([[1.0, 0.0, 0.0, 0.0]]),
        body_touch=body_touch,
        object_touch=np.array([touch]),
    )
