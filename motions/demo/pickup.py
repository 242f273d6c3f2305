"""Picking the ball up from the floor with both hands."""

import torch
from torch import Tensor

from hoigym.motions.clip import Clip
from hoigym.motions.demo.curves import ramp
from hoigym.motions.demo.dribble import hand_orientation, wrist_on_ball
from hoigym.motions.demo.figure import (
    BALL_RADIUS,
    FPS,
    Arm,
    Figure,
    clock,
    make_clip,
    place,
    planted,
    shoulder_positions,
    turn_about,
    upright,
)
from hoigym.motions.rotations import slerp

SKILL = 1
SECONDS = 3.6

# Times [s]: the squat, the grasp, the lift.
_BEND, _GRASP, _LIFT, _STAND = 0.25, 1.4, 1.6, 3.0
_BALL_AHEAD = 0.44
# How far below the ball's equator the palms hold it [rad].
_UNDER = 0.35


def pick_up() -> Clip:
    """A clip of squatting down, grasping the ball from both sides and standing up with it."""
    time = clock(SECONDS)
    down = ramp(_BEND, _GRASP, time) - ramp(_LIFT, _STAND, time)
    lifted = ramp(_GRASP + 0.1, _STAND - 0.05, time)
    zero = torch.zeros_like(time)
    ball = place(0.0, _BALL_AHEAD - 0.10 * lifted, BALL_RADIUS + 0.93 * lifted)
    finger_pitch = 0.45 - 0.6 * lifted
    pelvis = place(0.0, 0.045 - 0.22 * down, 0.95 - 0.52 * down)
    pelvis_quat = upright(0.03 + 0.87 * down - 0.06 * lifted)
    spine = torch.stack((0.1 + 0.75 * down, zero, zero), dim=-1)
    shoulders = shoulder_positions(pelvis, pelvis_quat, spine)
    figure = Figure(
        pelvis=pelvis,
        pelvis_quat=pelvis_quat,
        spine=spine,
        neck=torch.stack((0.2 * ramp(0.0, _BEND + 0.3, time) - 0.45 * down, zero, zero), dim=-1),
        feet=(planted(time, 0.19, 0.0, 0.5), planted(time, -0.19, 0.0, -0.5)),
        arms=(
            _arm(0, time, shoulders[0], ball, finger_pitch),
            _arm(1, time, shoulders[1], ball, finger_pitch),
        ),
    )
    turned = turn_about((1.0, 0.0, 0.0), finger_pitch - finger_pitch[0])
    held = (time >= _GRASP).to(time.dtype)
    return make_clip("001_demo_pickup_4", SKILL, figure, ball, turned, held)


def _arm(side: int, time: Tensor, shoulder: Tensor, ball: Tensor, finger_pitch: Tensor) -> Arm:
    outward = 1.0 if side == 0 else -1.0
    zero = torch.zeros_like(time)
    under, side_on = torch.sin(zero + _UNDER), torch.cos(zero + _UNDER)
    sine, cosine = torch.sin(finger_pitch), torch.cos(finger_pitch)
    palm = place(-outward * side_on, under * sine, under * cosine)
    grasp_hand = hand_orientation(side, place(zero, cosine, -sine), palm)
    hanging_hand = hand_orientation(side, place(zero, 0.15, -1.0), place(zero - outward, 0.0, 0.0))
    reached = ramp(_BEND, _GRASP, time)
    grasp = wrist_on_ball(side, ball, grasp_hand, palm)
    # The arm goes from hanging to its place at the grasp as seen from the shoulder, so that it never
    # overstretches; the hands close from outside.
    frame = round(_GRASP * FPS)
    hanging = place(0.05 * outward, 0.06, -0.46)
    from_shoulder = hanging + reached[:, None] * (grasp[frame] - shoulder[frame] - hanging)
    still_open = 0.10 * reached * (1 - ramp(_GRASP - 0.4, _GRASP, time))
    approach = shoulder + from_shoulder - still_open[:, None] * palm
    return Arm(
        wrist=torch.where((time < _GRASP)[:, None], approach, grasp),
        elbow=place(outward, 0.2, 0.0),
        hand=slerp(hanging_hand, grasp_hand, reached),
        curl=0.3 - 0.14 * reached,
    )
