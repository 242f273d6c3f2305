"""Which hand bodies of a clip are at its ball, measured from positions alone."""

import numpy as np
import torch

from motions.rotations import quat_rotate
from motions.skeleton import Skeleton

# Hands of the published clips miss the ball they hold by up to this [m].
TOLERANCE = 0.02


def touching_hands(
    skeleton: Skeleton, body_pos: torch.Tensor, body_quat: torch.Tensor, ball_pos: torch.Tensor, radius: float
) -> np.ndarray:
    """Bodies of the hands whose surface is within TOLERANCE of a ball's.

    Args:
        skeleton: B bodies; capsules among the hands count.
        body_pos, body_quat: (T, B, 3) [m], (T, B, 4).
        ball_pos: (T, 3) [m].
        radius: of the ball [m].

    Returns:
        (T, B) bool.
    """
    hands = [body for body in skeleton.hands if skeleton.bodies[body].shape.fromto is not None]
    shapes = [skeleton.bodies[body].shape for body in hands]
    ends = body_pos.new_tensor([shape.fromto for shape in shapes])
    radii = body_pos.new_tensor([shape.size[0] for shape in shapes])
    start = body_pos[:, hands] + quat_rotate(body_quat[:, hands], ends[:, :3])
    along = quat_rotate(body_quat[:, hands], ends[:, 3:] - ends[:, :3])
    to_ball = ball_pos[:, None] - start
    share = ((to_ball * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)).clamp(0, 1)
    gap = (to_ball - share[..., None] * along).norm(dim=-1) - radii - radius
    touching = np.zeros(body_pos.shape[:2], dtype=bool)
    touching[:, hands] = (gap < TOLERANCE).numpy()
    return touching
