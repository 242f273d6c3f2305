"""Skill sets: what cfg/skills says of each skill, and what reads it."""

from pathlib import Path

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig, EpisodeConfig
from hoigym.motions.skill_set import load_skill_set
from hoigym.sim.scene.config import SceneConfig


def test_the_keys_are_those_of_the_released_system():
    keys = {key: skill for skill, key in load_skill_set("mocap").keys([0, 1, 9, 10, 11, 12, 13, 31])}
    published = {"arrowleft": 11, "arrowup": 13, "arrowright": 12, "w": 9, "e": 31, "q": 1, "0": 0, "1": 10}
    assert published.items() <= keys.items()


def test_a_shot_key_asks_for_the_shot_that_is_known():
    assert dict(load_skill_set("mocap").keys([13, 2]))[2] == "w"
    assert dict(load_skill_set("mocap").keys([13]))[9] == "w"


def test_known_skills_without_a_key_come_last():
    listed = load_skill_set("mocap").keys([13, 16, 22])
    assert listed[-2:] == [(16, None), (22, None)]
    assert load_skill_set("unheard of").keys([3]) == [(3, None)]


def test_objectless_and_lying_skills_are_those_of_the_skeleton():
    """Pouring is household skill 10, and has an object; running is skill 10 of ball play, and has none."""
    mocap, household = EnvConfig(), EnvConfig(scene=SceneConfig(skeleton="parahome"))
    assert (mocap.without_object, mocap.beginning_on_the_ground) == ((0, 10), (0,))
    assert (household.without_object, household.beginning_on_the_ground) == ((0,), (0,))
    own = EnvConfig(objectless_skills=(4,), episode=EpisodeConfig(lying_skills=()))
    assert (own.without_object, own.beginning_on_the_ground) == ((4,), ())


def test_only_picking_up_is_drawn_twice_as_often():
    """Drinking is household skill 1."""
    skills = torch.tensor([0, 1, 13])
    assert load_skill_set("mocap").start_weights(skills).tolist() == [1.0, 2.0, 1.0]
    assert load_skill_set("parahome").start_weights(skills).tolist() == [1.0, 1.0, 1.0]


def test_names():
    assert load_skill_set("mocap").name_of(13) == "dribble forward"
    assert load_skill_set("parahome").name_of(10) == "pour from kettle into cup"
    assert load_skill_set("mocap").name_of(63) == "skill 63"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("64: {name: fly}", "skill id '64'"),
        ("1: {key: q}", "skill 1: expected keys and values"),
        ("1: {name: fly, lyign: true}", "skill 1: unknown key 'lyign'; the nearest is 'lying'"),
        ("1: {name: fly, object: maybe}", "object cannot be 'maybe'"),
        ("1: {name: fly, start_weight: 0}", "start_weight must be above 0"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, text: str, problem: str):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UserError, match=problem):
        load_skill_set("own", tmp_path)
