"""The similarity of two poses, term by term."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import exp_to_quat, heading, quat_from_yaw, quat_mul, quat_rotate
from hoigym.motions.similarity import Poses, SimilarityWeights, cost, features
from tests.motions.clips import random_clip

NOTHING = SimilarityWeights(key_pos=0.0, key_vel=0.0, joint_rot=0.0)


def poses(rows: int = 4, seed: int = 0) -> Poses:
    clip = random_clip(seed, frames=max(rows, 4), objects=2)
    library = MotionLibrary([clip], body_positions="stored")
    return Poses.of_frames(library.reference(torch.arange(rows)), library.skeleton)


def turned(pose: Poses, yaw: float, shift: Tensor) -> Poses:
    """The whole scene turned about the world's z axis and moved."""
    quat = quat_from_yaw(torch.tensor(yaw, dtype=torch.float64))

    def turn(vectors: Tensor) -> Tensor:
        return quat_rotate(quat.expand(*vectors.shape[:-1], 4), vectors)

    return Poses(
        root_pos=turn(pose.root_pos) + shift,
        root_quat=quat_mul(quat.expand_as(pose.root_quat), pose.root_quat),
        joint_quat=pose.joint_quat,
        key_pos=turn(pose.key_pos) + shift,
        key_vel=turn(pose.key_vel),
        object_pos=turn(pose.object_pos) + shift,
        object_vel=turn(pose.object_vel),
    )


def costs(a: Poses, b: Poses, **weights: float) -> Tensor:
    terms = dataclasses.replace(NOTHING, **weights)
    return cost(features(a, terms), features(b, terms))


def test_takes_key_bodies_and_backward_differences_of_the_library() -> None:
    clip = random_clip(frames=5)
    library = MotionLibrary([clip], body_positions="stored")
    pose = Poses.of_frames(library.reference(torch.arange(5)), library.skeleton)
    assert clip.body_pos is not None
    stored = torch.from_numpy(clip.body_pos.copy()).double()[:, list(library.skeleton.key_bodies)]
    assert torch.equal(pose.key_pos, stored)
    torch.testing.assert_close(pose.key_vel[1:], (stored[1:] - stored[:-1]) * 60.0, rtol=0, atol=1e-4)
    assert (pose.key_vel[0] == 0).all()


@pytest.mark.parametrize(
    ("term", "field", "components"),
    [
        ("key_pos", "key_pos", 51),
        ("key_vel", "key_vel", 51),
        ("object_pos", "object_pos", 6),
        ("object_vel", "object_vel", 6),
    ],
)
def test_linear_terms_are_mean_squares(term: str, field: str, components: int) -> None:
    a = poses()
    values = getattr(a, field).clone()
    values[:, 0, 1] += 2.0
    b = dataclasses.replace(a, **{field: values})
    expected = torch.full((4,), 3.0 * 4.0 / components, dtype=torch.float64)
    torch.testing.assert_close(costs(a, b, **{term: 3.0}), expected)


def test_key_to_object_counts_every_pair() -> None:
    a = poses()
    moved = a.object_pos.clone()
    moved[:, 1, 2] += 0.5
    b = dataclasses.replace(a, object_pos=moved)
    expected = torch.full((4,), 20.0 * 17 * 0.25 / (17 * 2 * 3), dtype=torch.float64)
    torch.testing.assert_close(costs(a, b, key_to_object=20.0), expected)


def test_root_height_counts_in_full() -> None:
    a = poses()
    b = dataclasses.replace(a, root_pos=a.root_pos + torch.tensor([9.0, 9.0, 0.2]))
    torch.testing.assert_close(costs(a, b, root_height=5.0), torch.full((4,), 0.2, dtype=torch.float64))


@pytest.mark.parametrize("angle", [1e-3, 1.0, math.pi - 1e-3])
def test_rotation_terms_are_squared_angles(angle: float) -> None:
    a = poses()
    turn = exp_to_quat(torch.tensor([0.0, angle, 0.0], dtype=torch.float64))
    joints = a.joint_quat.clone()
    joints[:, 7] = -quat_mul(joints[:, 7], turn.expand(4, 4))  # the sign of a quaternion means nothing
    b = dataclasses.replace(a, joint_quat=joints)
    torch.testing.assert_close(costs(a, b, joint_rot=20.0), torch.full((4,), 20.0 * angle**2 / 52).double())
    b = dataclasses.replace(a, root_quat=quat_mul(a.root_quat, turn.expand(4, 4)))
    torch.testing.assert_close(costs(a, b, root_rot=2.0), torch.full((4,), 2.0 * angle**2).double())


def test_poses_facing_forward_lie_over_each_other() -> None:
    a = poses()
    b = turned(a, 2.1, torch.tensor([3.0, -1.0, 0.0], dtype=torch.float64))
    forward, other = a.facing_forward(), b.facing_forward()
    for field in dataclasses.fields(Poses):
        torch.testing.assert_close(getattr(forward, field.name), getattr(other, field.name), rtol=0, atol=1e-5)
    assert heading(forward.root_quat).abs().max() < 1e-6
    assert forward.root_pos[:, :2].abs().max() == 0
    torch.testing.assert_close(forward.root_pos[:, 2], a.root_pos[:, 2])


def test_published_frame_pair(shared) -> None:
    """Frame 10 of run_4 and frame 5 of lrun: 0.1238, as in the released graph."""
    library = MotionLibrary(load_clips(shared / "motions" / "BallPlay"), body_positions="stored")
    rows = library.frame_index(torch.tensor([3, 1]), torch.tensor([10, 5]))
    pair = Poses.of_frames(library.reference(rows), library.skeleton).facing_forward()
    weights = SimilarityWeights(
        key_pos=20.0, key_vel=0.1, joint_rot=20.0, object_pos=1.0, object_vel=0.1, key_to_object=20.0
    )
    both = features(pair, weights)
    similarity = torch.exp(-cost(both[torch.tensor([0])], both[torch.tensor([1])]))
    assert similarity.item() == pytest.approx(0.12380, abs=5e-6)
