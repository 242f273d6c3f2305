"""Moments to show."""

from hoigym.motions.skeleton import load_skeleton
from hoigym.rendering.pose import ObjectLook
from hoigym.viewer.base import Moment, Setup
from tests.rendering.poses import standing

CONTACT_FROM = 6


def setup(figures: int = 1, dt: float = 1 / 60, steps: int = 12, ghost: bool = False) -> Setup:
    """Of a humanoid with a ball."""
    return Setup(load_skeleton("mocap"), (ObjectLook("ball", (0.12,)),), figures, dt, steps, ghost)


def moment(step: int, dt: float = 1 / 60, ghost: bool = False) -> Moment:
    """A ball that falls; it is touched from CONTACT_FROM on, labelled two steps earlier."""
    pose = standing(ball=(0.0, -0.6, 1.5 - 0.1 * step), touch=step >= CONTACT_FROM)
    return Moment(
        pose=pose,
        skill="drop",
        caption=f"step {step}",
        time=step * dt,
        label=step >= CONTACT_FROM - 2,
        touch=step >= CONTACT_FROM,
        ghost=pose if ghost else None,
        reward=0.5,
    )
