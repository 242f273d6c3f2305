"""How hands and forearms meet objects, said pair by pair.

Their priority says the same, but MuJoCo-Warp 4.0.0 overlooks it where one of the two has a direct (negative)
solref, and gives the contact the smaller of the numbers of both: soft hands would turn stiff on a ball.
"""

import mujoco

from envs.scene.config import BallConfig
from envs.scene.humanoid import FRICTION, SOFT_CONTACT
from motions.skeleton import Skeleton


def add_hand_contacts(spec: mujoco.MjSpec, skeleton: Skeleton, objects: tuple[BallConfig, ...]) -> None:
    """Gives every hand and forearm the standard soft contact with every object."""
    slide, spin, roll = FRICTION
    for item in objects:
        for body in sorted({*skeleton.hands, *skeleton.forearms}):
            name = skeleton.body_names[body]
            spec.add_pair(
                name=f"{item.name}/{name}",
                geomname1=item.name,
                geomname2=name,
                condim=3,
                friction=(slide, slide, spin, roll, roll),
                **SOFT_CONTACT,
            )
