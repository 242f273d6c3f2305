"""Getting up from lying on the back: sitting up, rocking onto the feet, standing up."""

import torch
from torch import Tensor

from hoigym.motions.clip import Clip
from hoigym.motions.demo.curves import ramp, spline
from hoigym.motions.demo.dribble import hand_orientation
from hoigym.motions.demo.figure import (
    BALL_RADIUS,
    Arm,
    Figure,
    clock,
    make_clip,
    place,
    planted,
    shoulder_positions,
    upright,
)
from hoigym.motions.rotations import slerp

SKILL = 0
SECONDS = 3.7

# Times [s]: lying, sitting, the squat, standing.
_LIE, _SIT, _SQUAT, _UP = 0.25, 1.35, 2.1, 3.2
# Where the hands push against the floor: wrist beside the middle, ahead of the ankles, up [m].
_PUSH = (0.29, -0.44, 0.042)


def get_up() -> Clip:
    """A clip of getting up; the feet stay where they are, the hands push until the weight is on them."""
    time = clock(SECONDS)
    zero = torch.zeros_like(time)
    pelvis = place(
        0.0,
        spline([(_LIE, -0.33), (_SIT - 0.1, -0.32), (_SQUAT, -0.13), (_UP, 0.03)], time),
        spline([(_SIT - 0.15, 0.099), (_SQUAT, 0.34), (_UP, 0.95)], time),
    )
    lean = spline([(_LIE, -1.58), (_SIT, -0.15), (_SQUAT, 0.65), (_UP, 0.03)], time)
    spine = spline([(_LIE, 0.0), (0.8, 0.65), (_SIT, 0.7), (_SQUAT, 0.6), (_UP, 0.1)], time)
    neck = spline([(0.05, 0.0), (0.6, 0.55), (_SIT, 0.1), (_SQUAT, -0.3), (_UP, 0.1)], time)
    pelvis_quat = upright(lean)
    knee_up = 2.5 * (1 - ramp(_SIT, _SQUAT, time))
    bent = torch.stack((spine, zero, zero), dim=-1)
    shoulders = shoulder_positions(pelvis, pelvis_quat, bent)
    figure = Figure(
        pelvis=pelvis,
        pelvis_quat=pelvis_quat,
        spine=bent,
        neck=torch.stack((neck, zero, zero), dim=-1),
        feet=(planted(time, 0.15, 0.0, 0.3, knee_up), planted(time, -0.15, 0.0, -0.3, knee_up)),
        arms=(_arm(0, time, shoulders[0]), _arm(1, time, shoulders[1])),
    )
    ball = place(1.5, 2.0, BALL_RADIUS).expand(len(time), 3)
    still = torch.tensor([1.0, 0, 0, 0], dtype=time.dtype).expand(len(time), 4)
    return make_clip("000_demo_getup_5", SKILL, figure, ball, still, zero)


def _arm(side: int, time: Tensor, shoulder: Tensor) -> Arm:
    """Pushes against the floor, then reaches ahead for balance, then hangs down."""
    outward = 1.0 if side == 0 else -1.0
    zero = torch.zeros_like(time)
    out, ahead, up = _PUSH
    push = place(out * outward, ahead, up) - shoulder
    free = place(
        outward * spline([(_SIT, 0.12), (_SQUAT, 0.02), (_UP, 0.05)], time),
        spline([(_SIT, 0.02), (_SQUAT - 0.1, 0.36), (_UP, 0.06)], time),
        spline([(_SIT, -0.42), (_SQUAT - 0.1, -0.22), (_UP, -0.46)], time),
    )
    off = ramp(_SIT - 0.25, _SIT + 0.25, time)
    flat = hand_orientation(side, place(zero + 0.4 * outward, 1.0, -0.2), place(zero, 0.0, -1.0))
    reaching = hand_orientation(side, place(zero, 0.8, -0.4), place(zero - outward, 0.0, -0.6))
    hanging = hand_orientation(side, place(zero, 0.15, -1.0), place(zero - outward, 0.0, 0.0))
    hand = slerp(flat, reaching, ramp(_SIT - 0.1, _SQUAT - 0.2, time))
    behind = ramp(0.4, 1.1, time)[:, None]
    return Arm(
        wrist=shoulder + (1 - off[:, None]) * push + off[:, None] * free,
        elbow=(1 - behind) * place(outward, 0.0, 0.1) + behind * place(0.6 * outward, -1.0, 0.0),
        hand=slerp(hand, hanging, ramp(_SQUAT, _UP, time)),
        curl=0.02 + 0.28 * ramp(_SIT - 0.1, _SQUAT, time),
    )
