"""The same motion on a figure with other limbs."""

import functools
import re
from dataclasses import replace

import numpy as np

from envs.drawing.appearance import Proportions
from envs.drawing.pose import Pose
from motions.skeleton import Body, Shape, Skeleton

_LEG = re.compile(r"Hip$|Knee|Ankle|Toe|BallFoot")
_ARM = re.compile(r"(_|Left|Right)Shoulder|Elbow|Wrist|Index|Middle|Ring|Pinky|Thumb|MCP|PIP|DIP|CMC|IP$")
_HEAD = re.compile(r"Head")
# An object within this distance of a hand moves with it, the less the farther [m].
_GRIP = 0.6


@functools.cache
def shaped_skeleton(skeleton: Skeleton, proportions: Proportions) -> Skeleton:
    """The skeleton with bones and shapes of these proportions, for drawing only; itself where they are all 1."""
    if proportions == Proportions():
        return skeleton
    groups = [body_group(skeleton, index) for index in range(skeleton.num_bodies)]
    own = vars(proportions)
    bodies = []
    for index, body in enumerate(skeleton.bodies):
        bone = own[groups[body.parent]] if body.parent >= 0 else 1.0
        bodies.append(_shaped(body, bone, own[groups[index]], proportions.thickness))
    return replace(skeleton, bodies=tuple(bodies))


def shaped_pose(skeleton: Skeleton, shaped: Skeleton, pose: Pose) -> Pose:
    """A pose of `skeleton` on the `shaped` one: the same orientations, as far above the floor at its lowest body.

    An object near a hand goes where the hand goes.
    """
    if shaped is skeleton:
        return pose
    parents = np.array(skeleton.parents[1:])
    bones = _rotate(pose.body_quat[parents], shaped.offsets[1:])
    body_pos = pose.body_pos[0] + _ancestry(skeleton) @ np.concatenate((np.zeros((1, 3)), bones))
    body_pos[:, 2] += pose.body_pos[:, 2].min() - body_pos[:, 2].min()
    return replace(pose, body_pos=body_pos, object_pos=_carried(skeleton, pose, body_pos))


def _carried(skeleton: Skeleton, pose: Pose, body_pos: np.ndarray) -> np.ndarray:
    hands = list(skeleton.hands)
    object_pos = pose.object_pos.copy()
    for index, place in enumerate(pose.object_pos):
        distance = np.linalg.norm(pose.body_pos[hands] - place, axis=1)
        hand = hands[int(distance.argmin())]
        share = max(0.0, 1.0 - float(distance.min()) / _GRIP)
        object_pos[index] += share * (body_pos[hand] - pose.body_pos[hand])
        object_pos[index, 2] = max(object_pos[index, 2], min(place[2], 0.1))
    return object_pos


def body_group(skeleton: Skeleton, index: int) -> str:
    """Which of leg, arm, head, trunk a body belongs to."""
    name = skeleton.body_names[index]
    for group, marks in (("leg", _LEG), ("arm", _ARM), ("head", _HEAD)):
        if marks.search(name):
            return group
    return "trunk"


def _shaped(body: Body, bone: float, length: float, thickness: float) -> Body:
    offset = tuple(bone * value for value in body.offset)
    return replace(body, offset=offset, shape=_shaped_shape(body.shape, length, thickness))


def _shaped_shape(shape: Shape, length: float, thickness: float) -> Shape:
    if shape.fromto is not None:
        size = (thickness * shape.size[0], *shape.size[1:])
        return replace(shape, size=size, fromto=tuple(length * value for value in shape.fromto))
    grow = length if shape.type == "box" else length * thickness
    size = tuple(grow * value for value in shape.size)
    return replace(shape, size=size, pos=tuple(length * value for value in shape.pos))


@functools.cache
def _ancestry(skeleton: Skeleton) -> np.ndarray:
    """(B, B) 1 where the column's body is the row's or lies between it and the root."""
    chain = np.eye(skeleton.num_bodies)
    for body, parent in enumerate(skeleton.parents):
        if parent >= 0:
            chain[body] += chain[parent]
    return chain


def _rotate(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Vectors (N, 3) turned by quaternions (N, 4) wxyz."""
    axis = quat[:, 1:]
    turn = 2.0 * np.cross(axis, vector)
    return vector + quat[:, :1] * turn + np.cross(axis, turn)
