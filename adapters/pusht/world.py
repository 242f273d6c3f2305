"""PushT, as published: gym-pusht with the legacy start states, and the geometry of its block."""

import importlib
import math
import os
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoigym.adapters.uva.config import UVAError

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


# --- PushT, as published: gym-pusht with the legacy start states ----------------------------------------------------


EPISODE_STEPS = 300
"""Control steps of an episode, at 10 Hz."""
IMAGE_SIZE = 96
FIRST_TEST_SEED = 100_000
TEST_SEEDS = tuple(range(FIRST_TEST_SEED, FIRST_TEST_SEED + 50))
"""The 50 seeds of the published evaluation."""


class Outcome(NamedTuple):
    """What a step gave: reward min(coverage / 0.95, 1), and whether the coverage exceeds 0.95."""

    reward: float
    success: bool


def start_state(seed: int) -> NDArray[np.float64]:
    """The published start of a seed: agent x, y, block x, y [pixels], angle [rad], (5,).

    Drawn as in the Diffusion Policy environment (real-stanford/diffusion_policy), whose block is placed before it is
    turned; gym-pusht's own seeding draws another state.
    """
    draw = np.random.RandomState(seed)
    agent = draw.randint(50, 450), draw.randint(50, 450)
    block = draw.randint(100, 400), draw.randint(100, 400)
    return np.array([*agent, *block, draw.randn() * 2 * np.pi - np.pi], dtype=np.float64)


def gym_pusht_env() -> Any:
    """A bare gym-pusht environment. Raises UVAError where the package is missing."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module("gym_pusht.envs.pusht")
    except ModuleNotFoundError as error:
        raise UVAError(f"PushT needs the package {error.name}: pip install hoigym[uva]") from error
    return module.PushTEnv(
        obs_type="state",
        observation_width=IMAGE_SIZE,
        observation_height=IMAGE_SIZE,
        visualization_width=256,
        visualization_height=256,
    )


class PushTWorld:
    """One PushT world. Positions are pixels of a 512 x 512 window; an action is a target position of the agent."""

    def __init__(self) -> None:
        self._env = gym_pusht_env()

    def reset(self, seed: int) -> None:
        """Start the episode of a seed."""
        self._env.reset(options={"reset_to_state": start_state(seed)})

    def step(self, action: NDArray[np.floating]) -> Outcome:
        """Hold a target, (2,), for one control step of 0.1 s."""
        _, reward, success, _, _ = self._env.step(np.asarray(action, dtype=np.float64))
        return Outcome(float(reward), bool(success))

    def state(self) -> NDArray[np.float64]:
        """Agent x, y, block x, y, block angle in [0, 2 pi), (5,)."""
        return self._env.get_obs()

    def reward(self) -> float:
        """The reward of the present state, without a step."""
        return float(np.clip(self._env._get_coverage() / self._env.success_threshold, 0.0, 1.0))

    def image(self) -> NDArray[np.uint8]:
        """What the policy sees, (96, 96, 3)."""
        return self._env._render()

    def picture(self) -> NDArray[np.uint8]:
        """A larger image, with a cross at the last action, (256, 256, 3)."""
        return self._env.render()
