"""Appearance of the drawn humanoid and its surroundings: colours, and limbs of embodiments that look unlike.

A representation of motion should not depend on any of this, which is what the differing embodiments test.
"""

import colorsys
import functools
import re
from dataclasses import dataclass, field, replace

import numpy as np

from hoigym.motions.skeleton import Body, Shape, Skeleton
from hoigym.rendering.pose import BODY, FLOOR, HAND, HORIZON, OBJECTS, ZENITH, Colour, Pose


@dataclass(frozen=True)
class Proportions:
    """Factors of bone lengths and of the radii around them; 1 is the skeleton's own."""

    leg: float = 1.0
    arm: float = 1.0
    trunk: float = 1.0
    head: float = 1.0
    thickness: float = 1.0


@dataclass(frozen=True)
class Appearance:
    """Colours (red, green, blue in 0 .. 1), light and proportions of a picture.

    body: trunk, head and arms; legs; hands. ball: of the first object. floor: the two colours of the chequers.
    light: brightness, 1 is usual; sun: how far round the light comes, from where it usually is [degrees].
    """

    body: Colour = BODY
    legs: Colour = BODY
    hands: Colour = HAND
    ball: Colour = OBJECTS[0]
    floor: tuple[Colour, Colour] = FLOOR
    horizon: Colour = HORIZON
    zenith: Colour = ZENITH
    light: float = 1.0
    sun: float = 0.0
    proportions: Proportions = field(default_factory=Proportions)


EMBODIMENTS: dict[str, Appearance] = {
    "A": Appearance(),
    "B": Appearance(
        body=(0.20, 0.33, 0.55),
        legs=(0.13, 0.15, 0.22),
        hands=(0.75, 0.66, 0.30),
        ball=(0.85, 0.20, 0.25),
        floor=((0.55, 0.60, 0.52), (0.45, 0.50, 0.43)),
        horizon=(0.75, 0.78, 0.74),
        zenith=(0.55, 0.60, 0.62),
        proportions=Proportions(leg=1.10, arm=1.12, trunk=0.92, head=0.9, thickness=0.8),
    ),
    "C": Appearance(
        body=(0.72, 0.25, 0.16),
        legs=(0.90, 0.78, 0.25),
        hands=(0.20, 0.60, 0.30),
        ball=(0.25, 0.55, 0.90),
        floor=((0.42, 0.32, 0.24), (0.34, 0.25, 0.18)),
        horizon=(0.55, 0.48, 0.45),
        zenith=(0.25, 0.22, 0.30),
        light=0.9,
        proportions=Proportions(leg=0.82, arm=0.92, trunk=1.08, head=1.35, thickness=1.45),
    ),
}
"""A is drawn like everything else here; C is meant for tests alone."""


def random_colours(look: Appearance, rng: np.random.Generator) -> Appearance:
    """The appearance with every colour, the light and its direction drawn anew; proportions stay."""
    hue, lightness = rng.uniform(), rng.uniform(0.25, 0.85)
    tile = _colour(hue, lightness, rng.uniform(0.0, 0.5))
    body = _colour(rng.uniform(), rng.uniform(0.15, 0.9), rng.uniform(0.1, 0.9))
    return replace(
        look,
        body=body,
        legs=_colour(rng.uniform(), rng.uniform(0.15, 0.9), rng.uniform(0.1, 0.9)) if rng.uniform() < 0.6 else body,
        hands=_colour(rng.uniform(), rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.9)),
        ball=_colour(rng.uniform(), rng.uniform(0.3, 0.7), rng.uniform(0.3, 1.0)),
        floor=(tile, _shaded(tile, rng.uniform(0.7, 1.0))),
        horizon=_colour(rng.uniform(), rng.uniform(0.3, 0.95), rng.uniform(0.0, 0.4)),
        zenith=_colour(rng.uniform(), rng.uniform(0.2, 0.8), rng.uniform(0.0, 0.6)),
        light=float(rng.uniform(0.7, 1.2)),
        sun=float(rng.uniform(-90.0, 90.0)),
    )


def jittered(look: Appearance, rng: np.random.Generator, share: float = 0.06) -> Appearance:
    """The appearance with every proportion changed by up to the share."""
    values = {name: value * float(rng.uniform(1 - share, 1 + share)) for name, value in vars(look.proportions).items()}
    return replace(look, proportions=Proportions(**values))


def _colour(hue: float, lightness: float, saturation: float) -> Colour:
    return colorsys.hls_to_rgb(hue, lightness, saturation)


def _shaded(colour: Colour, share: float) -> Colour:
    red, green, blue = (float(share * value) for value in colour)
    return red, green, blue


# --- The same motion on a figure with other limbs -------------------------------------------------------------------


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
