"""Aligning a linked state and bridging to it."""

import math

import torch
from torch import Tensor

from hoigym.motions.graph import align, buffer_frames
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import heading, heading_inverse, quat_mul, quat_rotate
from hoigym.motions.state import MotionState
from tests.motions.clips import random_clip


def states(seed: int) -> MotionState:
    library = MotionLibrary([random_clip(seed, frames=8, objects=2)])
    return MotionState.of(library.reference(torch.arange(1, 8)))


def in_heading_frame(state: MotionState, vectors: Tensor) -> Tensor:
    undo = heading_inverse(state.root_quat)
    if vectors.dim() == 3:
        undo = undo[:, None].expand(*vectors.shape[:2], 4)
    return quat_rotate(undo, vectors)


def aligned() -> tuple[MotionState, MotionState, MotionState]:
    linked, source = states(1), states(2)
    return linked, source, align(linked, source.root_pos, source.root_quat)


def test_root_takes_place_and_heading_of_the_source() -> None:
    linked, source, result = aligned()
    assert torch.equal(result.root_pos[:, :2], source.root_pos[:, :2])
    assert torch.equal(result.root_pos[:, 2], linked.root_pos[:, 2])
    difference = heading(result.root_quat) - heading(source.root_quat)
    assert torch.remainder(difference + math.pi, 2 * math.pi).sub(math.pi).abs().max() < 1e-5
    torch.testing.assert_close(result.root_quat.norm(dim=-1), torch.ones(7))


def test_seen_from_the_humanoid_nothing_changes() -> None:
    linked, _, result = aligned()
    for name in ("root_lin_vel", "root_ang_vel", "object_lin_vel", "object_ang_vel"):
        mine = in_heading_frame(result, getattr(result, name))
        torch.testing.assert_close(mine, in_heading_frame(linked, getattr(linked, name)), rtol=1e-4, atol=1e-4)
    offset = in_heading_frame(result, result.object_pos - result.root_pos[:, None])
    before = in_heading_frame(linked, linked.object_pos - linked.root_pos[:, None])
    torch.testing.assert_close(offset, before, rtol=1e-4, atol=1e-5)
    facing = quat_mul(heading_inverse(result.root_quat)[:, None].expand(7, 2, 4), result.object_quat)
    facing_before = quat_mul(heading_inverse(linked.root_quat)[:, None].expand(7, 2, 4), linked.object_quat)
    assert ((facing * facing_before).sum(-1).abs() > 1 - 1e-5).all()
    torch.testing.assert_close(result.object_pos[..., 2], linked.object_pos[..., 2])
    assert torch.equal(result.joint_rot, linked.joint_rot)
    assert torch.equal(result.joint_vel, linked.joint_vel)


def test_velocities_turn_with_the_state() -> None:
    """A quarter turn to the left takes a run along x to a run along y."""
    linked = states(1)
    along_x = torch.zeros(7, 3)
    along_x[:, 0] = 3.0
    linked.root_lin_vel.copy_(along_x)
    quarter = torch.tensor([math.cos(math.pi / 4), 0.0, 0.0, math.sin(math.pi / 4)]).expand(7, 4)
    result = align(linked, linked.root_pos, quat_mul(quarter, linked.root_quat))
    torch.testing.assert_close(result.root_lin_vel, along_x[:, [1, 0, 2]], rtol=0, atol=1e-5)


def test_without_objects() -> None:
    library = MotionLibrary([random_clip(1, frames=8, objects=0)])
    state = MotionState.of(library.reference(torch.arange(8)))
    assert align(state, state.root_pos, state.root_quat).object_pos.shape == (8, 0, 3)


def test_buffer_frames_are_decades() -> None:
    similarity = torch.tensor([1.0, 0.7, 0.2, 0.05, 0.002, 3e-9, 5e-10, 2e-10, 3e-12, 0.0])
    assert buffer_frames(similarity).tolist() == [0, 1, 1, 2, 3, 9, 10, 10, 10, 0]
    assert buffer_frames(similarity.double()[None]).shape == (1, 10)
