"""Hands on the ball."""

import torch
from torch import Tensor

from motions.demo.figure import BALL_RADIUS
from motions.demo.limbs import quat_from_matrix
from motions.rotations import normalize, quat_rotate

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
