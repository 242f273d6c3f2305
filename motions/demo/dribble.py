"""Dribbling with the right hand, on the spot and walking ahead."""

import math

import torch
from torch import Tensor

from motions.clip import Clip
from motions.demo.curves import quintic_chain
from motions.demo.dribbling import Dribble
from motions.demo.figure import BALL_RADIUS, Arm, Figure, clock, make_clip, place, planted, upright
from motions.demo.gait import Gait
from motions.demo.hands import hand_orientation, wrist_on_ball
from motions.demo.walk import swinging_arm

SPOT_SKILL = 14
WALK_SKILL = 13

_RIGHT = -0.32


def dribble_on_the_spot() -> Clip:
    """A clip of dribbling beside the right foot in a staggered stance."""
    dribble = Dribble()
    time = clock(5 * dribble.period)
    dip = _dip(dribble, time)
    lean = 0.26 + 0.05 * dip
    zero = torch.zeros_like(time)
    ball = place(_RIGHT, 0.36, dribble.ball_height(time))
    palm = place(_RIGHT, 0.36, dribble.palm_height(time))
    figure = Figure(
        pelvis=place(-0.01 * dip, -0.015, 0.85 - 0.02 * dip),
        pelvis_quat=upright(lean, yaw=-0.1),
        spine=torch.stack((0.22 + 0.08 * dip, zero - 0.1, 0.04 + 0.06 * dip), dim=-1),
        neck=torch.stack((-0.1 - 0.08 * dip, zero, zero), dim=-1),
        feet=(planted(time, 0.15, 0.07, 0.15), planted(time, -0.15, -0.07, -0.2)),
        arms=(_guarding_arm(time), _dribbling_arm(dribble, time, palm)),
    )
    return _clip("014_demo_dribble_spot_2", SPOT_SKILL, dribble, time, figure, ball)


def dribble_walking() -> Clip:
    """A clip of dribbling while walking ahead."""
    gait = Gait(pelvis=0.87)
    dribble = Dribble(catch_height=1.12, advance=gait.speed)
    time = clock(5 * dribble.period)
    dip = _dip(dribble, time)
    pelvis, pelvis_quat = gait.pelvis_path(time, lean=0.2)
    start = float(-pelvis[0, 1]) + 0.33
    ball = place(_RIGHT, start + dribble.ball_ahead(time), dribble.ball_height(time))
    palm = place(_RIGHT, start + dribble.palm_ahead(time), dribble.palm_height(time))
    turn = 0.08 * torch.cos(2 * math.pi * gait.phase(0, time))
    figure = Figure(
        pelvis=pelvis,
        pelvis_quat=pelvis_quat,
        spine=torch.stack((0.24 + 0.08 * dip, turn, 0.04 + 0.06 * dip), dim=-1),
        neck=torch.stack((-0.1 - 0.08 * dip, -turn, torch.zeros_like(time)), dim=-1),
        feet=(gait.foot(0, time), gait.foot(1, time)),
        arms=(swinging_arm(gait, 0, time), _dribbling_arm(dribble, time, palm)),
    )
    return _clip("013_demo_dribble_walk_3", WALK_SKILL, dribble, time, figure, ball)


def _clip(name: str, skill: int, dribble: Dribble, time: Tensor, figure: Figure, ball: Tensor) -> Clip:
    still = torch.tensor([1.0, 0, 0, 0], dtype=time.dtype).expand(len(time), 4)
    return make_clip(name, skill, figure, ball, still, dribble.touching(time))


def _dip(dribble: Dribble, time: Tensor) -> Tensor:
    """How far the body follows the push: 1 just after release, 0 or less while the ball rises, (T,)."""
    return torch.cos(2 * math.pi * ((time - dribble.touch - 0.06) / dribble.period))


def _guarding_arm(time: Tensor) -> Arm:
    """The left arm, half raised to keep others off."""
    wrist = place(0.2, 0.26, -0.2).expand(len(time), 3)
    return Arm(wrist=wrist, elbow=place(1.0, -0.4, -0.6), from_shoulder=True)


def _dribbling_arm(dribble: Dribble, time: Tensor, palm: Tensor) -> Arm:
    """The right arm with its palm at points (T, 3); the hand is level in mid-touch, then snaps down."""
    within = time - torch.floor(time / dribble.period) * dribble.period
    nodes = [
        (0.0, (-0.2, 1.0, 0.0)),
        (dribble.touch, (0.22, 4.0, 0.0)),
        (dribble.touch + 0.12, (0.5, 0.0, 0.0)),
        (dribble.period, (-0.2, 1.0, 0.0)),
    ]
    pitch = quintic_chain(nodes, within)
    zero = torch.zeros_like(time)
    fingers = place(zero + 0.12, torch.cos(pitch), -torch.sin(pitch))
    towards_ball = place(zero, -torch.sin(pitch), -torch.cos(pitch))
    hand = hand_orientation(1, fingers, towards_ball)
    # The palm touches where its normal meets the ball, not at the ball's very top.
    centre = palm - place(zero, 0.0, BALL_RADIUS)
    wrist = wrist_on_ball(1, centre, hand, towards_ball)
    return Arm(wrist=wrist, elbow=place(-1.0, -0.4, 0.0), hand=hand, curl=0.14)
