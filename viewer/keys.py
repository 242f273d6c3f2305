"""Which key asks for which skill."""

from collections.abc import Collection

# As in the released system (SkillMimic-V2); the shot has another id in each data set, and the arrow down, which has
# no skill there, dribbles on the spot.
_KEYS: dict[str, dict[str, tuple[int, ...]]] = {
    "mocap": {
        "arrowleft": (11,),
        "arrowup": (13,),
        "arrowright": (12,),
        "arrowdown": (14,),
        "w": (9, 2, 6),
        "e": (31,),
        "q": (1,),
        "r": (34,),
        "0": (0,),
        "1": (10,),
    },
    "parahome": {str(digit): (digit,) for digit in range(1, 7)} | {"0": (10,)},
}
_ARROWS = {"arrowleft": "\u2190", "arrowup": "\u2191", "arrowright": "\u2192", "arrowdown": "\u2193"}


def skill_keys(skeleton: str, known: Collection[int]) -> list[tuple[int, str | None]]:
    """Skill ids and their keys, in the order in which they are offered.

    Where several ids share a key it asks for the first one in `known`; known ids without a key come last.
    """
    keys = _KEYS.get(skeleton, {})
    chosen = {next((skill for skill in ids if skill in known), ids[0]): key for key, ids in keys.items()}
    without = sorted(set(known) - set(chosen))
    return [*chosen.items(), *((skill, None) for skill in without)]


def key_label(key: str) -> str:
    """How a key is written on a button."""
    return _ARROWS.get(key, key if len(key) > 1 else key.upper())
