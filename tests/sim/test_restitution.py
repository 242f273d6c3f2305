"""The ball's bounce over many impact phases, and its rest.

A single drop height says nothing: with a stiff spring and a coarse step the bounce depends on where in the
step the ball meets the floor.
"""

import pytest
import torch
from torch import Tensor

from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import BallConfig, SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.sim.starts import put, standing

HEIGHTS = torch.linspace(0.6, 1.4, 81)  # [m] of the ball's lowest point
FINE_BALL = BallConfig(contact_stiffness=20000.0, contact_damping=21.2)  # by the documented rule for 240 Hz


def drop(ball: BallConfig, heights: Tensor, physics_hz: int, seconds: float) -> tuple[Tensor, Tensor]:
    """Height of the ball's lowest point (T, N) [m] and vertical speed (T, N), one row a physics step."""
    scene = build_scene(SceneConfig(objects=(ball,), physics_hz=physics_hz, control_hz=physics_hz, hands="locked"))
    sim = MujocoSimulator(scene, len(heights))
    start = standing(scene, len(heights), height=8.0)  # the humanoid falls beside, out of reach
    start.object_pos[:, 0] = torch.tensor([20.0, 0.0, ball.radius])
    start.object_pos[:, 0, 2] += heights
    put(sim, start)
    height, speed = [heights], [torch.zeros(len(heights))]
    for _ in range(round(seconds * physics_hz)):
        sim.step(start.joint_rot)
        height.append(sim.state.object_pos[:, 0, 2] - ball.radius)
        speed.append(sim.state.object_lin_vel[:, 0, 2].clone())
    return torch.stack(height), torch.stack(speed)


def restitution(height: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(apex after / height before) and speed after / before the first impact, (N,) each."""
    hit = (height < 0).int().argmax(0)
    steps = torch.arange(len(height))[:, None]
    left = ((steps > hit) & (height > 0)).int().argmax(0)
    top = ((steps > left) & (speed < 0)).int().argmax(0)
    rows = torch.arange(height.shape[1])
    apex = height[top - 1, rows]
    # Speeds where the lowest point passes the floor, from the last and first samples above it.
    before = (speed[hit - 1, rows] ** 2 + 2 * 9.81 * height[hit - 1, rows]).sqrt()
    after = (speed[left, rows] ** 2 + 2 * 9.81 * height[left, rows]).sqrt()
    return (apex / height[0]).sqrt(), after / before


@pytest.mark.parametrize(
    ("ball", "physics_hz", "deepest"),
    [(BallConfig(), 120, 0.075), (BallConfig(density=85.7), 120, 0.075), (FINE_BALL, 240, 0.040)],
    ids=["heavy", "real weight", "240 Hz"],
)
def test_bounce(ball: BallConfig, physics_hz: int, deepest: float) -> None:
    height, speed = drop(ball, HEIGHTS, physics_hz, seconds=1.25)
    by_height, by_speed = restitution(height, speed)
    for measured in (by_height, by_speed):
        assert measured.mean() == pytest.approx(0.80, abs=0.03)
        assert measured.std() <= 0.03
        assert measured.min() > 0.72
        assert measured.max() < 0.88
    assert -height.min() < deepest


def test_bounces_die_out() -> None:
    height, _ = drop(BallConfig(), torch.tensor([0.6, 1.0, 1.4]), 120, seconds=4.0)
    second_halves = height[240:360].amax(0), height[360:].amax(0)
    assert (second_halves[1] < second_halves[0]).all()
    assert (second_halves[1] < 0.3).all()


def test_lying_ball_rests() -> None:
    """From any small height it comes to rest within seconds and stays there, in the floor by millimetres."""
    height, speed = drop(BallConfig(), torch.linspace(0.0, 0.02, 40), 120, seconds=4.0)
    assert speed[-120:].abs().max() < 1e-3
    assert height[-120:].amin() > -0.003
    assert height[-120:].amax() < 0


def test_documented_rule_holds_for_the_defaults() -> None:
    ball = BallConfig()
    assert ball.contact_stiffness / 120**2 <= 0.35
    assert ball.contact_damping == pytest.approx(0.15 * ball.contact_stiffness**0.5, rel=0.01)
