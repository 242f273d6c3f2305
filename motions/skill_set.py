"""Skill sets: which skills a skeleton has and what is true of each, read from cfg/skills."""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hoigym.core.config import CFG, read_layer
from hoigym.core.errors import UserError, unknown_name
from hoigym.motions.clip import NUM_SKILLS

FOLDER = CFG / "skills"


@dataclass(frozen=True, kw_only=True)
class Skill:
    """One skill.

    name: as a user reads it. key: that asks for it in a viewer, or None. object: whether an object belongs to it; if
    not, only the body counts, and objects start anywhere. lying: whether it begins on the ground, so that no fall ends
    it. start_weight: how often its clips are drawn for starts, beside those of other skills.
    """

    name: str
    key: str | None = None
    object: bool = True
    lying: bool = False
    start_weight: float = 1.0


@dataclass(frozen=True)
class SkillSet:
    """The skills of a skeleton by id, in the order in which they are offered."""

    skills: Mapping[int, Skill]

    @property
    def objectless(self) -> tuple[int, ...]:
        """Ids of skills without an object, in order."""
        return tuple(sorted(skill for skill, facts in self.skills.items() if not facts.object))

    @property
    def lying(self) -> tuple[int, ...]:
        """Ids of skills that begin on the ground, in order."""
        return tuple(sorted(skill for skill, facts in self.skills.items() if facts.lying))

    def name_of(self, skill: int) -> str:
        """The name of a skill id, or "skill 7" where it has none."""
        return self.skills[skill].name if skill in self.skills else f"skill {skill}"

    def start_weights(self, skills: Tensor) -> Tensor:
        """How often clips of skills (N,) long are drawn, (N,); 1 for skills that are not in the set."""
        weights = torch.ones(NUM_SKILLS, device=skills.device)
        for skill, facts in self.skills.items():
            weights[skill] = facts.start_weight
        return weights[skills]

    def keys(self, known: Collection[int]) -> list[tuple[int, str | None]]:
        """Skill ids and their keys, in the order in which they are offered.

        Where several ids share a key it asks for the first one in `known`; known ids without a key come last.
        """
        shared: dict[str, list[int]] = {}
        for skill, facts in self.skills.items():
            if facts.key is not None:
                shared.setdefault(facts.key, []).append(skill)
        chosen = {next((skill for skill in ids if skill in known), ids[0]): key for key, ids in shared.items()}
        without = sorted(set(known) - set(chosen))
        return [*chosen.items(), *((skill, None) for skill in without)]


@functools.cache
def load_skill_set(name: str, folder: Path = FOLDER) -> SkillSet:
    """The skill set `name`.yaml of a folder: that of a skeleton has its name; none has no skills.

    Raises UserError for a file that is no skill set.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        return SkillSet({})
    return SkillSet({_id(path, key): _skill(path, key, values) for key, values in read_layer(path).values.items()})


def _id(path: Path, key: Any) -> int:
    if not isinstance(key, int) or not 0 <= key < NUM_SKILLS:
        raise UserError(f"{path}: skill id '{key}'; expected 0 to {NUM_SKILLS - 1}")
    return key


def _skill(path: Path, key: Any, values: Any) -> Skill:
    if not isinstance(values, dict) or "name" not in values:
        raise UserError(f"{path}: skill {key}: expected keys and values, a name among them")
    fields = {"name": str, "key": str | None, "object": bool, "lying": bool, "start_weight": int | float}
    for name, value in values.items():
        if name not in fields:
            raise UserError(f"{path}: skill {key}: {unknown_name('key', name, fields)}")
        if not isinstance(value, fields[name]):
            raise UserError(f"{path}: skill {key}: {name} cannot be '{value}'")
    if values.get("start_weight", 1) <= 0:
        raise UserError(f"{path}: skill {key}: start_weight must be above 0")
    return Skill(**values)
