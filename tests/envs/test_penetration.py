"""Depth of hands in balls."""

import torch

from hoigym.envs.start import hand_ball_penetration
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.skeleton import load_skeleton


def _depth(ball: torch.Tensor) -> float:
    skeleton = load_skeleton("mocap")
    pose = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 52, 3)
    return float(hand_ball_penetration(skeleton, *pose, ball[None], radius=0.12))


def test_depth_is_radii_minus_distance_from_the_finger_axis() -> None:
    skeleton = load_skeleton("mocap")
    body = skeleton.index("L_Middle3")
    shape = skeleton.bodies[body].shape
    assert shape.fromto is not None
    pos, _ = forward_kinematics(
        skeleton, torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.zeros(1, 52, 3)
    )
    tip = pos[0, body] + torch.tensor(shape.fromto[3:])
    outwards = torch.tensor([1.0, 0.0, 0.0])  # the left arm points along x at rest
    for gap in (-0.05, 0.0, 0.2):
        ball = tip + (0.12 + shape.size[0] + gap) * outwards
        assert abs(_depth(ball) + gap) < 2e-3


def test_a_distant_ball_is_not_touched() -> None:
    assert _depth(torch.tensor([0.0, 0.0, 5.0])) < -3.0
