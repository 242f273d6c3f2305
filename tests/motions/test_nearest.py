"""The bounded search against comparing everything with everything."""

import dataclasses

import pytest
import torch
from torch import Tensor

from hoigym.motions.library import MotionLibrary
from hoigym.motions.similarity import Features, Points, Poses, SimilarityWeights, cost, features, nearest
from tests.motions.clips import random_clip

WEIGHTS = SimilarityWeights(
    key_pos=2.0,
    key_vel=0.001,
    joint_rot=5.0,
    root_rot=1.0,
    object_pos=1.0,
    object_vel=0.001,
    key_to_object=1.0,
)


def table(rows: int, seed: int, spread: float = 1.0) -> Features:
    clip = random_clip(seed, frames=rows)
    clip = dataclasses.replace(clip, joint_rot=clip.joint_rot * spread, root_rot=clip.root_rot * spread)
    library = MotionLibrary([clip])
    return features(Poses.of_frames(library.reference(torch.arange(rows)), library.skeleton), WEIGHTS)


def every_cost(query: Features, of: Features) -> Tensor:
    row = torch.arange(len(query)).repeat_interleave(len(of))
    column = torch.arange(len(of)).repeat(len(query))
    return cost(query[row], of[column]).view(len(query), len(of))


@pytest.mark.parametrize("spread", [0.2, 1.0, 6.0])
@pytest.mark.parametrize("memory", [1, 2**28])
def test_finds_what_full_comparison_finds(spread: float, memory: int) -> None:
    query, of = table(30, 0, spread), table(70, 1, spread)
    expected, place = every_cost(query, of).min(1)
    index, found = nearest(Points.of(query), Points.of(of), None, torch.inf, memory)
    assert torch.equal(index, place)
    torch.testing.assert_close(found, expected)


def test_takes_only_allowed_pairs() -> None:
    query, of = table(20, 0), table(40, 1)
    allowed = torch.rand(20, 40, generator=torch.Generator().manual_seed(0)) < 0.2
    allowed[3] = False
    expected, place = every_cost(query, of).masked_fill(~allowed, torch.inf).min(1)
    place[3] = -1
    index, found = nearest(Points.of(query), Points.of(of), allowed, torch.inf, memory=1)
    assert torch.equal(index, place)
    torch.testing.assert_close(found, expected)


def test_costs_above_the_limit_are_no_pose() -> None:
    query, of = table(30, 0), table(70, 1)
    expected = every_cost(query, of).min(1).values
    limit = float(expected.median()) + 1e-9  # rounding differs between the two
    index, found = nearest(Points.of(query), Points.of(of), None, limit)
    assert torch.equal(index >= 0, expected <= limit)
    assert 10 < (index >= 0).sum() < 20
    assert (found[index < 0] == torch.inf).all()


def test_of_equal_poses_the_first_is_taken() -> None:
    of = table(10, 1)
    twice = of[torch.arange(10).repeat(2)]
    index, found = nearest(Points.of(of), Points.of(twice), None, torch.inf)
    assert index.tolist() == list(range(10))
    assert found.max() < 1e-10
