"""Clips and settings from which small graphs are built."""

import dataclasses

from hoigym.motions.clip import Clip
from hoigym.motions.graph import GraphSettings
from hoigym.motions.similarity import SimilarityWeights
from tests.motions.clips import random_clip

# Weights under which random clips are similar enough to be linked.
SETTINGS = GraphSettings(
    weights=SimilarityWeights(
        key_pos=2.0, key_vel=0.0005, joint_rot=2.0, object_pos=0.5, object_vel=0.0005, key_to_object=1.0
    ),
    objectless_weights=SimilarityWeights(key_pos=1.0, key_vel=0.0005, joint_rot=1.0, root_height=5.0),
    objectless_skills=(0,),
)
WITHIN = dataclasses.replace(SETTINGS, within_skill=True)


def skill_clips() -> list[Clip]:
    """Five clips: skill 7 twice and not side by side, 0 (without an object), 3 and 9."""
    skills = (7, 0, 7, 3, 9)
    return [random_clip(seed, frames=9 + seed, skill=skill) for seed, skill in enumerate(skills)]
