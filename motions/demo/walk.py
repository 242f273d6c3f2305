"""Walking ahead with swinging arms, the ball lying aside."""

import math

import torch
from torch import Tensor

from motions.clip import Clip
from motions.demo.figure import BALL_RADIUS, Arm, Figure, clock, make_clip, place
from motions.demo.gait import Gait

SKILL = 10
SECONDS = 3.0


def walk() -> Clip:
    """A clip of walking at 1.1 m/s."""
    time = clock(SECONDS)
    gait = Gait()
    pelvis, pelvis_quat = gait.pelvis_path(time)
    figure = Figure(
        pelvis=pelvis,
        pelvis_quat=pelvis_quat,
        spine=_counter_turn(gait, time),
        neck=torch.zeros(len(time), 3, dtype=time.dtype),
        feet=(gait.foot(0, time), gait.foot(1, time)),
        arms=(swinging_arm(gait, 0, time), swinging_arm(gait, 1, time)),
    )
    ball_pos = place(1.5, 2.0, BALL_RADIUS).expand(len(time), 3)
    rest = torch.tensor([1.0, 0, 0, 0], dtype=time.dtype).expand(len(time), 4)
    return make_clip("010_demo_walk_1", SKILL, figure, ball_pos, rest, torch.zeros_like(time))


def swinging_arm(gait: Gait, side: int, time: Tensor) -> Arm:
    """An arm that swings against the leg of its side."""
    swing = -0.36 * torch.cos(2 * math.pi * gait.phase(side, time))
    outward = 1.0 if side == 0 else -1.0
    wrist = place(0.09 * outward, 0.07 + 0.44 * torch.sin(swing), -0.44 * torch.cos(swing))
    return Arm(wrist=wrist, elbow=place(0.4 * outward, -1.0, -0.2), from_shoulder=True)


def _counter_turn(gait: Gait, time: Tensor) -> Tensor:
    """The chest turns against the pelvis, (T, 3)."""
    turn = 0.16 * torch.cos(2 * math.pi * gait.phase(0, time))
    return torch.stack((torch.full_like(time, 0.08), turn, torch.zeros_like(time)), dim=-1)
