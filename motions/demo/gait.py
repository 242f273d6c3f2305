"""Demo clip of walking: where the feet and the pelvis are, and arms that swing."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hoigym.motions.clip import Clip
from hoigym.motions.demo.curves import quintic, quintic_chain
from hoigym.motions.demo.figure import BALL_RADIUS, Arm, Figure, Foot, clock, make_clip, place, upright

# The foot in its own frame (up, ahead of the ankle) [m]: back edge of the sole and the toe joint, with the
# height each has when the foot is flat.
_HEEL, _HEEL_HEIGHT = (-0.1164, -0.0715), 0.0022
_TOE, _TOE_HEIGHT = (-0.09865, 0.15658), 0.02


@dataclass(frozen=True)
class Gait:
    """A steady walk, lengths in metres, times in seconds.

    stride, cycle: way and time of two steps. half_width: ankles to the middle. lift: of the swing foot.
    pelvis: its mean height. lead: pelvis ahead of the standing ankle at mid-stance. surge, sway: how far it
    swings back and ahead, and sideways, over the standing foot; with these the centre of pressure stays
    within 5 cm of the feet.
    """

    stride: float = 1.08
    cycle: float = 1.1
    half_width: float = 0.09
    lift: float = 0.055
    pelvis: float = 0.895
    lead: float = 0.03
    surge: float = 0.018
    sway: float = 0.028

    @property
    def speed(self) -> float:
        """Mean speed [m/s]."""
        return self.stride / self.cycle

    def phase(self, side: int, time: Tensor) -> Tensor:
        """Cycles since the first heel strike of a side (0 left, 1 right), (T,) -> (T,)."""
        return time / self.cycle + 0.5 * side

    def foot(self, side: int, time: Tensor) -> Foot:
        """The foot of a side at times (T,)."""
        phase = self.phase(side, time)
        strikes = phase.floor()
        within = phase - strikes
        ahead, up = self._ankle(within)
        left = self.half_width if side == 0 else -self.half_width
        start = self.stride * (strikes - 0.5 * side)
        return Foot(place(left, start + ahead, up), _pitch(within), _toe(within))

    def pelvis_path(self, time: Tensor, lean: float = 0.05) -> tuple[Tensor, Tensor]:
        """Pelvis position (T, 3) and orientation (T, 4), leaning ahead [rad].

        It slows down and rises over the standing foot and sways towards it.
        """
        since = self.phase(0, time) - _MID_STANCE
        turn = 2 * math.pi * since
        ahead = self.stride * since + self.lead - self.surge * torch.sin(2 * turn)
        left = self.sway * torch.cos(turn)
        up = self.pelvis + 0.014 * torch.cos(2 * turn)
        yaw = -0.08 * torch.cos(2 * math.pi * self.phase(0, time))
        return place(left, ahead, up), upright(torch.full_like(time, lean), -0.03 * torch.cos(turn), yaw)

    def _ankle(self, within: Tensor) -> tuple[Tensor, Tensor]:
        """Ankle ahead of its flat place at the last strike, and up, over the phase (T,) in [0, 1)."""
        stance = _standing_ankle(within)
        swing = within - _TOE_OFF
        length = 1.0 - _TOE_OFF
        start = _states(_TOE_OFF)
        end = _states(0.0)
        ahead = quintic(start[0], (end[0][0] + self.stride, *end[0][1:]), length, swing)
        up = quintic(start[1], end[1], length, swing)
        s = (swing / length).clamp(0, 1)
        up = up + self.lift * 64 * s**3 * (1 - s) ** 3
        standing = within < _TOE_OFF
        return torch.where(standing, stance[0], ahead), torch.where(standing, stance[1], up)


# Fractions of a cycle, from heel strike.
_FLAT, _HEEL_OFF, _TOE_OFF = 0.10, 0.34, 0.62
_MID_STANCE = _TOE_OFF / 2
_STRIKE_PITCH, _OFF_PITCH = -0.22, 0.75


def _pitch(within: Tensor) -> Tensor:
    """Foot pitch over the phase: toes up at the strike, flat, heel up until toe-off. (T,) -> (T,) [rad]."""
    strike = (_STRIKE_PITCH, 1.5, 0.0)
    nodes = [
        (-0.38, (_OFF_PITCH, 2.6, 0.0)),
        (0.0, strike),
        (_FLAT, (0.0, 0.0, 0.0)),
        (_HEEL_OFF, (0.0, 0.0, 0.0)),
        (_TOE_OFF, (_OFF_PITCH, 2.6, 0.0)),
        (1.0, strike),
        (1.0 + _FLAT, (0.0, 0.0, 0.0)),
    ]
    return quintic_chain(nodes, within)


def _toe(within: Tensor) -> Tensor:
    """Toe joint over the phase: keeps the toes flat while the heel is up, then straightens. (T,) -> (T,)
    [rad].
    """
    nodes = [(_TOE_OFF, (-_OFF_PITCH, -2.6, 0.0)), (0.85, (0.0, 0.0, 0.0))]
    return torch.where(within < _TOE_OFF, -_pitch(within).clamp_min(0.0), quintic_chain(nodes, within))


def _standing_ankle(within: Tensor) -> tuple[Tensor, Tensor]:
    """Ankle of a foot that rolls on its heel, then on its toe joint: ahead and up (T,) [m]."""
    pitch = _pitch(within)
    on_heel = pitch < 0

    def pivot(heel: float, toe: float) -> Tensor:
        return torch.where(on_heel, heel, toe)

    up_arm, ahead_arm = pivot(_HEEL[0], _TOE[0]), pivot(_HEEL[1], _TOE[1])
    up = pivot(_HEEL_HEIGHT, _TOE_HEIGHT) - (up_arm * torch.cos(pitch) - ahead_arm * torch.sin(pitch))
    ahead = ahead_arm - (up_arm * torch.sin(pitch) + ahead_arm * torch.cos(pitch))
    return ahead, up


def _states(within: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Position, velocity and acceleration (per cycle) of the standing ankle at a phase: ahead and up."""
    step = 1e-4
    ahead, up = _standing_ankle(within + step * torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))

    def state(value: Tensor) -> tuple[float, float, float]:
        before, now, after = value.tolist()
        return now, (after - before) / (2 * step), (after - 2 * now + before) / step**2

    return state(ahead), state(up)


# --- Walking ahead with swinging arms, the ball lying aside ---------------------------------------------------------


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
