"""A tiny library and environments for the tests of the vector environment."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoigym.envs.config import EnvConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from tests.envs.busy import untrained_encoder

STANDING = math.pi / 2  # turns the y-up rest pose of the mocap skeleton upright


def standing_clip(name: str, skill: int, frames: int = 40, sway: float = 0.0) -> Clip:
    """A humanoid that stands at (0, 0, 0.975) swinging its arms by `sway` rad, a resting ball 1 m in front."""
    root_rot = np.zeros((frames, 3), np.float32)
    root_rot[:, 0] = STANDING
    root_pos = np.tile(np.array([0.0, 0.0, 0.975], np.float32), (frames, 1))
    joint_rot = np.zeros((frames, 52, 3), np.float32)
    joint_rot[:, [15, 34], 1] = sway * np.sin(np.arange(frames) / 10.0)[:, None]
    object_pos = np.tile(np.array([0.0, -1.0, 0.12], np.float32), (frames, 1, 1))
    return Clip(
        name=name,
        skill=skill,
        skeleton="mocap",
        fps=60.0,
        root_pos=root_pos,
        root_rot=root_rot,
        joint_rot=joint_rot,
        body_pos=None,
        object_pos=object_pos,
        object_rot=np.zeros((frames, 1, 3), np.float32),
        contact=np.zeros((frames, 1), np.float32),
    )


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """Two clips of skill 13 (40 and 30 frames) and one of skill 10, which has no object."""
    return [
        standing_clip("a", 13, sway=0.3),
        standing_clip("b", 13, frames=30, sway=0.2),
        standing_clip("c", 10, frames=50),
    ]


@pytest.fixture(scope="session")
def library(clips: list[Clip]) -> MotionLibrary:
    """The clips, on the CPU."""
    return MotionLibrary(clips)


@pytest.fixture
def make_env(library: MotionLibrary) -> Callable[..., HOIVectorEnv]:
    """Makes an environment on the tiny library from keyword arguments of EnvConfig."""

    def make(render_mode: str | None = None, **settings: Any) -> HOIVectorEnv:
        config = EnvConfig(**{"num_envs": 4, "threads": 1, **settings})
        return HOIVectorEnv(config, library, render_mode)

    return make


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    """Folder of an untrained history encoder."""
    return untrained_encoder(tmp_path / "encoder")
