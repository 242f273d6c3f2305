"""Noise on start states."""

import dataclasses

import torch

from hoigym.motions.neighbour import perturb
from hoigym.motions.state import MotionState

ROWS = 4000


def upright() -> MotionState:
    """A humanoid of 5 joints and one object at rest; quaternions are the identity."""
    zeros = torch.zeros(ROWS, 3)
    quat = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(ROWS, 4)
    return MotionState(
        root_pos=zeros,
        root_quat=quat,
        root_lin_vel=zeros,
        root_ang_vel=zeros,
        joint_rot=torch.zeros(ROWS, 5, 3),
        joint_vel=torch.zeros(ROWS, 5, 3),
        object_pos=zeros[:, None],
        object_quat=quat[:, None],
        object_lin_vel=zeros[:, None],
        object_ang_vel=zeros[:, None],
    )


def noisy(lying: bool, seed: int = 0) -> MotionState:
    return perturb(upright(), torch.full((ROWS,), lying), torch.Generator().manual_seed(seed))


def test_only_heights_move_and_only_upwards() -> None:
    state = noisy(lying=False)
    assert (state.root_pos[:, :2] == 0).all()
    assert (state.object_pos[..., :2] == 0).all()
    for height in (state.root_pos[:, 2], state.object_pos[..., 2]):
        assert 0 <= height.min() < 0.002
        assert 0.098 < height.max() <= 0.1


def test_velocities_and_joints_are_gaussian() -> None:
    state = noisy(lying=True)
    names = ("joint_rot", "joint_vel", "root_lin_vel", "root_ang_vel", "object_lin_vel", "object_ang_vel")
    for name in names:
        values = getattr(state, name)
        assert abs(values.std() - 0.1) < 0.003, name
        assert values.mean().abs() < 0.003, name
    assert not torch.equal(state.joint_rot, state.joint_vel)


def test_orientations_stay_rotations() -> None:
    for lying in (False, True):
        state = noisy(lying)
        for quat in (state.root_quat, state.object_quat):
            torch.testing.assert_close(quat.norm(dim=-1), torch.ones(quat.shape[:-1]))
    assert abs(noisy(lying=False).root_quat[:, 1:].std() - 0.1) < 0.004


def test_who_lies_gets_ten_times_the_noise_on_height_and_orientation() -> None:
    state = noisy(lying=True)
    assert 0.98 < state.root_pos[:, 2].max() <= 1.0
    assert state.root_quat[:, 1:].std() > 0.4
    assert state.object_pos[..., 2].max() <= 0.1
    assert state.object_quat[..., 1:].std() < 0.12


def test_generator_decides() -> None:
    for field in dataclasses.fields(MotionState):
        once, again, other = (getattr(noisy(False, seed), field.name) for seed in (1, 1, 2))
        assert torch.equal(once, again)
        assert not torch.equal(once, other)
