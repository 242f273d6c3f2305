"""Demo clips of dribbling, on the spot and walking ahead: a bouncing ball and the palm that pushes it from above."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hoigym.motions.clip import Clip
from hoigym.motions.demo.curves import State, quintic, quintic_chain
from hoigym.motions.demo.figure import (
    BALL_RADIUS,
    Arm,
    Figure,
    clock,
    make_clip,
    place,
    planted,
    quat_from_matrix,
    upright,
)
from hoigym.motions.demo.gait import Gait, swinging_arm
from hoigym.motions.rotations import normalize, quat_rotate

# Where a palm meets the ball, in the hand's frame [m], left and right: between wrist and fingers, on the
# surface.
_PALMS = ((0.09, -0.0095, 0.014), (-0.088, -0.0095, 0.011))


def hand_orientation(side: int, fingers: Tensor, palm: Tensor) -> Tensor:
    """World orientation of a hand, side 0 left or 1 right, from where its fingers and palm point (T, 3) ->
    (T, 4).
    """
    fingers = normalize(fingers)
    palm = normalize(palm - (palm * fingers).sum(-1, keepdim=True) * fingers)
    x_axis = fingers if side == 0 else -fingers
    y_axis = -palm
    return quat_from_matrix(torch.stack((x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)), dim=-1))


def wrist_on_ball(side: int, ball: Tensor, hand: Tensor, palm: Tensor) -> Tensor:
    """Wrist (T, 3) of a hand (T, 4) whose palm, pointing along the unit vectors palm, lies on a ball at (T,
    3).
    """
    local = torch.tensor(_PALMS[side], dtype=ball.dtype).expand_as(ball)
    return ball - BALL_RADIUS * palm - quat_rotate(hand, local)


# --- The rhythm of a dribble: a bouncing ball and the palm that pushes it from above --------------------------------


GRAVITY = 9.81
RESTITUTION = 0.8
# A ball that falls without spin keeps this share of its speed along the floor when friction makes it roll.
_BOUNCE_ALONG = 5 / 7


@dataclass(frozen=True)
class Dribble:
    """One touch and one bounce a period; a period begins when the palm meets the rising ball.

    catch_height: ball centre then [m]; catch_speed: up, then [m/s]; touch: how long the palm stays on the
    ball [s]; advance: mean speed along the floor [m/s]. A palm on top can only push: the ball's acceleration
    in a touch goes smoothly from free fall to a peak and back, so that it leaves the hand with exactly the
    energy that bounce costs.
    """

    catch_height: float = 1.1
    catch_speed: float = 0.9
    touch: float = 0.165
    advance: float = 0.0

    @functools.cached_property
    def push(self) -> float:
        """Peak of the palm's push, beyond gravity [m/s^2]."""
        low, high = 0.0, 500.0
        for _ in range(80):
            middle = (low + high) / 2
            height, speed = self._release(middle)
            returned = RESTITUTION**2 * (speed**2 + 2 * GRAVITY * (height - BALL_RADIUS))
            low, high = (middle, high) if returned < self._bounce_speed**2 else (low, middle)
        return low

    @functools.cached_property
    def fall(self) -> float:
        """From release to the floor [s]."""
        height, speed = self._release(self.push)
        return (math.sqrt(speed**2 + 2 * GRAVITY * (height - BALL_RADIUS)) + speed) / GRAVITY

    @functools.cached_property
    def rise(self) -> float:
        """From the floor to the catch [s]."""
        return (self._bounce_speed - self.catch_speed) / GRAVITY

    @property
    def period(self) -> float:
        """[s]"""
        return self.touch + self.fall + self.rise

    def touching(self, time: Tensor) -> Tensor:
        """1 while the palm is on the ball, else 0, (T,)."""
        return (self._within(time) <= self.touch).to(time.dtype)

    def ball_height(self, time: Tensor) -> Tensor:
        """Ball centre (T,) [m]."""
        within = self._within(time)
        height, speed = self._release(self.push)
        falling = within - self.touch
        rising = falling - self.fall
        free = torch.where(
            rising < 0,
            height + speed * falling - GRAVITY / 2 * falling**2,
            BALL_RADIUS + self._bounce_speed * rising - GRAVITY / 2 * rising**2,
        )
        return torch.where(within <= self.touch, self._pushed(within), free)

    def palm_height(self, time: Tensor) -> Tensor:
        """Palm (T,) [m]: on top of the ball in a touch; it follows through, then meets the ball again."""
        release, catch = self._release_state(), self._catch_state()
        lowest = (release[0] - 0.16, 0.0, 25.0)
        nodes = [(self.touch, release), (self.touch + 0.11, lowest), (self.period, catch)]
        within = self._within(time)
        centre = torch.where(within <= self.touch, self._pushed(within), quintic_chain(nodes, within))
        return centre + BALL_RADIUS

    def ball_ahead(self, time: Tensor) -> Tensor:
        """Ball along the floor (T,) [m], 0 at the first catch."""
        within = self._within(time)
        falling = (within - self.touch).clamp(0, self.fall)
        rising = (within - self.touch - self.fall).clamp_min(0)
        flight = self._touch_way + self._fall_speed * (falling + _BOUNCE_ALONG * rising)
        return self._start(time) + torch.where(within <= self.touch, self._carried(within), flight)

    def palm_ahead(self, time: Tensor) -> Tensor:
        """Palm along the floor (T,) [m]: over the ball in a touch."""
        within = self._within(time)
        begin = (self._touch_way, self._fall_speed, 0.0)
        end = (self.advance * self.period, _BOUNCE_ALONG * self._fall_speed, 0.0)
        free = quintic(begin, end, self.fall + self.rise, within - self.touch)
        return self._start(time) + torch.where(within <= self.touch, self._carried(within), free)

    def _within(self, time: Tensor) -> Tensor:
        return time - self._cycles(time) * self.period

    def _cycles(self, time: Tensor) -> Tensor:
        return torch.floor(time / self.period)

    def _start(self, time: Tensor) -> Tensor:
        return self.advance * self.period * self._cycles(time)

    @property
    def _bounce_speed(self) -> float:
        """Up from the floor [m/s]."""
        return math.sqrt(self.catch_speed**2 + 2 * GRAVITY * (self.catch_height - BALL_RADIUS))

    @property
    def _fall_speed(self) -> float:
        """Along the floor before the bounce, so that the mean is `advance` [m/s]."""
        mean = (1 + _BOUNCE_ALONG) / 2
        return self.advance * self.period / (mean * self.touch + self.fall + _BOUNCE_ALONG * self.rise)

    @property
    def _touch_way(self) -> float:
        return (1 + _BOUNCE_ALONG) / 2 * self._fall_speed * self.touch

    def _carried(self, within: Tensor) -> Tensor:
        begin = (0.0, _BOUNCE_ALONG * self._fall_speed, 0.0)
        return quintic(begin, (self._touch_way, self._fall_speed, 0.0), self.touch, within)

    def _pushed(self, within: Tensor) -> Tensor:
        """Ball centre in a touch, acceleration -g - push sin^2."""
        turn = 2 * math.pi / self.touch
        pushed = within**2 / 4 - (1 - torch.cos(turn * within)) / (2 * turn**2)
        return self.catch_height + self.catch_speed * within - GRAVITY / 2 * within**2 - self.push * pushed

    def _release(self, push: float) -> tuple[float, float]:
        """Height and (downward negative) speed at the end of a touch."""
        height = self.catch_height + self.catch_speed * self.touch - (GRAVITY / 2 + push / 4) * self.touch**2
        return height, self.catch_speed - (GRAVITY + push / 2) * self.touch

    def _release_state(self) -> State:
        return (*self._release(self.push), -GRAVITY)

    def _catch_state(self) -> State:
        return self.catch_height, self.catch_speed, -GRAVITY


# --- Dribbling with the right hand, on the spot and walking ahead ---------------------------------------------------


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
