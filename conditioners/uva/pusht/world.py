"""PushT, as published: gym-pusht with the legacy start states."""

import importlib
import os
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conditioners.uva.error import UVAError

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
