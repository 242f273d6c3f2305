"""How the objects of clips are drawn when there is no scene that says so."""

from envs.drawing.look import ObjectLook
from envs.scene.config import BallConfig
from motions.clip import Clip

_BALL = ObjectLook("ball", (BallConfig().radius,))
# Boxes about as large as the things that the ParaHome clips handle.
_CUP = ObjectLook("box", (0.04, 0.04, 0.05))
_BOOK = ObjectLook("box", (0.11, 0.075, 0.015))
_KETTLE = ObjectLook("box", (0.068, 0.082, 0.095), (-0.001, -0.005, -0.018))
_PAN = ObjectLook("box", (0.114, 0.205, 0.079), (0.037, -0.060, -0.001))
# The chair itself would hide who sits on it.
_CHAIR = ObjectLook("box", (0.15, 0.15, 0.15))
_UNKNOWN = ObjectLook("box", (0.06, 0.06, 0.06))
_HOUSEHOLD = {
    1: (_CUP,),
    2: (_BOOK,),
    3: (_KETTLE,),
    4: (_PAN,),
    5: (_KETTLE,),
    6: (_CHAIR,),
    10: (_KETTLE, _CUP),
}


def looks_of_clip(clip: Clip) -> tuple[ObjectLook, ...]:
    """One look for each object of a clip: balls for the mocap skeleton, boxes for household objects."""
    if clip.skeleton == "mocap":
        return (_BALL,) * clip.num_objects
    known = _HOUSEHOLD.get(clip.skill, ())
    return known if len(known) == clip.num_objects else (_UNKNOWN,) * clip.num_objects
