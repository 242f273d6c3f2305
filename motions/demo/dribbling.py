"""The rhythm of a dribble: a bouncing ball and the palm that pushes it from above."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from motions.demo.curves import State, quintic, quintic_chain
from motions.demo.figure import BALL_RADIUS

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
