"""What the skill ids of the published and the bundled clips stand for."""

OBJECTLESS_SKILLS: dict[str, tuple[int, ...]] = {"mocap": (0, 10), "parahome": (0,)}
"""Skills that use no object, by skeleton: get up, and run without a ball (SkillMimic-V2)."""

_NAMES = {
    "mocap": {
        0: "get up",
        1: "pick up",
        2: "shot",
        6: "shot",
        9: "shot",
        10: "walk or run",
        11: "dribble left",
        12: "dribble right",
        13: "dribble forward",
        14: "dribble on the spot",
        16: "chest pass",
        22: "jump shot",
        31: "layup",
        34: "turnaround layup",
    },
    "parahome": {
        1: "drink from cup",
        2: "place book",
        3: "place kettle",
        4: "place pan",
        5: "pour from kettle",
        6: "get up from chair",
        10: "pour from kettle into cup",
    },
}


def skill_name(skeleton: str, skill: int) -> str:
    """The name of a skill id on a skeleton, or "skill 7" where it has none."""
    return _NAMES.get(skeleton, {}).get(skill, f"skill {skill}")
