"""Small clips for the tests of motions."""

from typing import Any

import numpy as np

from hoigym.motions.clip import Clip
from hoigym.motions.skeleton import load_skeleton


def random_clip(seed: int = 0, frames: int = 12, skeleton: str = "mocap", objects: int = 1, **changes: Any) -> Clip:
    """A clip of random small poses; changes replace fields."""
    rng = np.random.default_rng(seed)
    bodies = load_skeleton(skeleton).num_bodies

    def noise(*shape: int) -> np.ndarray:
        return (0.3 * rng.standard_normal((frames, *shape))).astype(np.float32)

    fields = {
        "name": f"random_{seed}",
        "skill": 7,
        "skeleton": skeleton,
        "fps": 60.0,
        "root_pos": noise(3),
        "root_rot": noise(3),
        "joint_rot": noise(bodies - 1, 3),
        "body_pos": noise(bodies, 3),
        "object_pos": noise(objects, 3),
        "object_rot": noise(objects, 3),
        "contact": rng.integers(0, 2, (frames, objects)).astype(np.float32),
    }
    return Clip(**{**fields, **changes})


def blanked(clip: Clip, frames: list[int]) -> Clip:
    """The clip with some frames missing: all zeros."""
    arrays = {name: array.copy() for name, array in clip.arrays().items()}
    for array in arrays.values():
        array[frames] = 0.0
    return Clip(name=clip.name, skill=clip.skill, skeleton=clip.skeleton, fps=clip.fps, **{"body_pos": None, **arrays})
