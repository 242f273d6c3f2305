"""The block of PushT: its outline, where it can be pushed, how far it lies from the goal."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OUTLINE: Array = np.array(
    [(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], dtype=np.float64
)
"""Corners of the T in its own frame [pixels], the middle of the bar's long edge at the origin."""
GOAL: Array = np.array([256.0, 256.0, math.pi / 4])
"""Goal pose (x, y, angle)."""
AGENT_RADIUS = 15.0
_SPACING = 15.0
_SLANTS = (0.0, -0.45, 0.45)


def to_world(pose: Array, points: Array) -> Array:
    """Points of the block's frame (..., 2) in the world, for one pose (3,)."""
    return points @ _rotation(pose[2]).T + pose[:2]


def turn(pose: Array, vectors: Array) -> Array:
    """Directions of the block's frame (..., 2) in the world, for one pose (3,)."""
    return vectors @ _rotation(pose[2]).T


def distance_to_goal(pose: Array) -> Array:
    """How far the block is from the goal [pixels]. pose: (..., 3) -> (...).

    The root mean square distance of the corners for small turns; a large turn counts by its angle and not by its
    chord, so that half a turn is no plateau.
    """
    centre = OUTLINE.mean(axis=0)
    spread = ((OUTLINE - centre) ** 2).sum(axis=1).mean()
    cos, sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    middle = pose[..., :2] + np.stack([cos * centre[0] - sin * centre[1], sin * centre[0] + cos * centre[1]], axis=-1)
    away = ((middle - to_world(GOAL, centre)) ** 2).sum(axis=-1)
    angle = np.remainder(pose[..., 2] - GOAL[2] + math.pi, 2 * math.pi) - math.pi
    return np.sqrt(away + spread * angle**2)


def push_spots() -> tuple[Array, Array]:
    """From where and in which direction the agent can push, in the block's frame: centres (K, 2), directions (K, 2).

    The agent touches every edge at places about 15 pixels apart, and pushes along the inward normal or slanted to
    either side. Places that the round agent cannot reach, next to the inner corners, are left out.
    """
    centres, directions = [], []
    inner = OUTLINE[[3, 6]]
    for corner, after in zip(OUTLINE, np.roll(OUTLINE, -1, axis=0), strict=True):
        edge = after - corner
        length = float(np.linalg.norm(edge))
        normal = np.array([-edge[1], edge[0]]) / length
        count = max(1, round(length / _SPACING))
        for share in (np.arange(count) + 0.5) / count:
            point = corner + share * edge
            if np.linalg.norm(inner - point, axis=1).min() >= AGENT_RADIUS:
                centres += [point - AGENT_RADIUS * normal] * len(_SLANTS)
                directions += [_rotation(slant) @ normal for slant in _SLANTS]
    return np.array(centres), np.array(directions)


def _rotation(angle: float) -> Array:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])
