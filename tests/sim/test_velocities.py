"""Velocity conventions: everything in the world frame, checked against motion of the poses themselves."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor

from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.rotations import exp_to_quat, quat_conj, quat_mul, quat_to_exp
from hoigym.motions.skeleton import load_skeleton
from hoigym.motions.state import MotionState
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.sim.starts import put, random_start, standing

ROWS = 8


def world_rate(before: Tensor, after: Tensor, dt: float) -> Tensor:
    """World-frame angular velocity that turns quaternions before into after."""
    return quat_to_exp(quat_mul(after, quat_conj(before))) / dt


def moved(start: MotionState, dt: float) -> tuple[Tensor, Tensor]:
    """World poses of all bodies after start's velocities acted for dt, in double precision."""
    root_quat = quat_mul(exp_to_quat(start.root_ang_vel.double() * dt), start.root_quat.double())
    joints = quat_mul(exp_to_quat(start.joint_rot.double()), exp_to_quat(start.joint_vel.double() * dt))
    root_pos = start.root_pos.double() + start.root_lin_vel.double() * dt
    return forward_kinematics(load_skeleton("mocap"), root_pos, root_quat, quat_to_exp(joints))


@pytest.mark.parametrize("hands", ["full", "locked"])
def test_body_velocities_are_the_rates_of_the_body_poses(hands: Literal["full", "locked"]) -> None:
    sim = MujocoSimulator(build_scene(SceneConfig(hands=hands)), ROWS, num_threads=1)
    start = random_start(sim.scene, ROWS)
    put(sim, start)
    dt = 1e-4
    (pos_before, quat_before), (pos_after, quat_after) = moved(start, -dt), moved(start, dt)
    lin_vel = (pos_after - pos_before) / (2 * dt)
    ang_vel = world_rate(quat_before, quat_after, 2 * dt)
    torch.testing.assert_close(sim.state.body_lin_vel.double(), lin_vel, rtol=0, atol=1e-4)
    torch.testing.assert_close(sim.state.body_ang_vel.double(), ang_vel, rtol=0, atol=1e-4)
    assert sim.state.body_ang_vel.abs().max() > 3  # the comparison has something to compare


@pytest.fixture(scope="module")
def fast() -> MujocoSimulator:
    """Physics and control at 2 kHz, so that a step is short."""
    return MujocoSimulator(build_scene(SceneConfig(physics_hz=2000, control_hz=2000, hands="locked")), ROWS, 1)


def test_root_and_object_move_as_their_world_velocities_say(fast: MujocoSimulator) -> None:
    start = random_start(fast.scene, ROWS)
    put(fast, start)
    fast.step(start.joint_rot)
    before = fast.state.root_quat.clone(), fast.state.object_quat.clone()
    spots = fast.state.root_pos.clone(), fast.state.object_pos.clone()
    dt, state = fast.control_dt, fast.state
    for _ in range(10):
        fast.step(start.joint_rot)
    passed = 10 * dt
    # An unloaded ball keeps its spin, so ten steps may be compared with one velocity.
    torch.testing.assert_close(
        world_rate(before[1], state.object_quat, passed), state.object_ang_vel, rtol=0, atol=2e-3
    )
    torch.testing.assert_close(
        (state.object_pos - spots[1]) / passed,
        state.object_lin_vel + 9.81 * passed / 2 * torch.tensor([0, 0, 1.0]),
        rtol=0,
        atol=5e-3,
    )
    one_before, spot = state.root_quat.clone(), state.root_pos.clone()
    fast.step(start.joint_rot)
    torch.testing.assert_close(world_rate(one_before, state.root_quat, dt), state.root_ang_vel, rtol=0, atol=2e-2)
    torch.testing.assert_close((state.root_pos - spot) / dt, state.root_lin_vel, rtol=0, atol=2e-2)


def test_spin_about_the_world_vertical_is_that_whatever_the_tilt() -> None:
    """Root and ball both stand tilted by 90 degrees, where a spin in their own frame would be about y."""
    sim = MujocoSimulator(build_scene(SceneConfig(hands="locked")), 1, num_threads=1)
    start = standing(sim.scene, 1, height=5.0)
    start.root_ang_vel[:] = torch.tensor([0.0, 0.0, 2.0])
    start.object_pos[..., 2] = 5.0
    start.object_quat[:] = exp_to_quat(torch.tensor([math.pi / 2, 0.0, 0.0]))
    start.object_ang_vel[:] = torch.tensor([0.0, 0.0, 3.0])
    put(sim, start)
    torch.testing.assert_close(sim.state.root_ang_vel, start.root_ang_vel, rtol=0, atol=1e-6)
    # Rigid spin: the hand at x = 0.75 m moves along y, the head stays.
    hand, head = sim.scene.skeleton.index("L_Wrist"), sim.scene.skeleton.index("Head")
    assert sim.state.body_lin_vel[0, hand, 1] == pytest.approx(2 * float(sim.state.body_pos[0, hand, 0]), abs=1e-3)
    assert sim.state.body_lin_vel[0, head].abs().max() < 0.15
    for _ in range(6):
        sim.step(start.joint_rot)
    turned = world_rate(start.object_quat, sim.state.object_quat, 6 * sim.control_dt)
    torch.testing.assert_close(turned, start.object_ang_vel, rtol=0, atol=1e-4)
    torch.testing.assert_close(sim.state.object_ang_vel, start.object_ang_vel, rtol=0, atol=1e-4)


def test_free_fall() -> None:
    sim = MujocoSimulator(build_scene(SceneConfig(hands="locked")), 2, num_threads=1)
    start = standing(sim.scene, 2, height=5.0)
    start.object_pos[..., 2] = 5.0
    put(sim, start)
    for _ in range(30):
        sim.step(start.joint_rot)
    for velocity in (sim.state.root_lin_vel, sim.state.object_lin_vel[:, 0]):
        torch.testing.assert_close(velocity, torch.tensor([0, 0, -9.81 / 2]).expand(2, 3), rtol=0, atol=1e-4)
    fallen = 5.0 - sim.state.object_pos[:, 0, 2]
    assert fallen.tolist() == pytest.approx([9.81 / 8] * 2, abs=9.81 / 480 * 1.01)
    assert sim.control_dt == pytest.approx(1 / 60)


def test_throw_goes_where_the_velocity_points() -> None:
    sim = MujocoSimulator(build_scene(SceneConfig(hands="locked")), 1, num_threads=1)
    start = standing(sim.scene, 1)
    start.object_pos[:] = torch.tensor([3.0, 0.0, 2.0])
    start.object_lin_vel[:] = torch.tensor([1.0, -2.0, 3.0])
    put(sim, start)
    for _ in range(12):
        sim.step(start.joint_rot)
    expected = torch.tensor([3.2, -0.4, 2.6 - 9.81 * 0.02])
    torch.testing.assert_close(sim.state.object_pos[0, 0], expected, rtol=0, atol=9.81 * 0.2 / 240 * 1.01)
