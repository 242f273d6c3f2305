"""What the published skill ids mean to the method."""

OBJECTLESS_SKILLS: dict[str, tuple[int, ...]] = {"mocap": (0, 10), "parahome": (0,)}
"""Skills that use no object, by skeleton: get up, and run without a ball (SkillMimic-V2)."""
