"""Adaptive trajectory sampling: weights go where reward is low, and survive a checkpoint."""

import torch

from envs.sampling import StartSampler
from motions.library import MotionLibrary

ALL = torch.ones(120, dtype=torch.bool)


def _rows(library: MotionLibrary, clip: int, frame: int, count: int = 1) -> torch.Tensor:
    return torch.full((count,), int(library.clip_start[clip]) + frame)


def _record(sampler: StartSampler, row: torch.Tensor, reward: float, times: int = 12) -> None:
    for _ in range(times):
        sampler.record(row, torch.full(row.shape, reward), torch.ones_like(row, dtype=torch.bool))


def test_without_blend_skills_count_alike_and_clips_share_their_skill(library: MotionLibrary) -> None:
    sampler = StartSampler(library, ALL, blend=0.0)
    weights = sampler.clip_weights()  # clips a, b of skill 13, clip c of skill 10
    torch.testing.assert_close(weights, torch.tensor([0.25, 0.25, 0.5]))
    _record(sampler, _rows(library, 0, 5), reward=1.0)
    torch.testing.assert_close(sampler.clip_weights(), weights)
    assert abs(float(sampler.weights[:40].sum()) - 0.25) < 1e-6


def test_the_clip_with_low_reward_is_drawn_more_often(library: MotionLibrary) -> None:
    sampler = StartSampler(library, ALL, blend=1.0)
    _record(sampler, _rows(library, 0, 5), reward=0.9)
    _record(sampler, _rows(library, 1, 5), reward=0.1)
    _record(sampler, _rows(library, 2, 5), reward=0.5)
    weights = sampler.clip_weights()
    # Skills 13 and 10 both have mean reward 0.5; within 13 the ratio is exp(-5 (0.1 - 0.9)).
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
    assert abs(float(weights[2]) - 0.5) < 1e-3
    assert abs(float(weights[1] / weights[0]) / torch.e**4 - 1.0) < 0.01


def test_the_frame_with_low_reward_is_drawn_more_often(library: MotionLibrary) -> None:
    sampler = StartSampler(library, ALL, blend=1.0)
    for frame in range(40):
        _record(sampler, _rows(library, 0, frame), reward=0.2 if frame == 7 else 0.8)
    weights = sampler.weights[:40]
    assert int(weights.argmax()) == 7
    assert abs(float(weights[7] / weights[20]) / torch.e**6 - 1.0) < 0.02
    drawn = sampler.draw(4000, torch.Generator().manual_seed(0))
    of_clip = drawn[drawn < 40]
    assert (of_clip == 7).float().mean() > 0.85


def test_frames_alone_can_stay_uniform(library: MotionLibrary) -> None:
    sampler = StartSampler(library, ALL, blend=1.0, by_frame=False)
    _record(sampler, _rows(library, 0, 7), reward=0.9)
    assert sampler.weights[:40].std() < 1e-9


def test_frames_that_may_not_start_are_never_drawn(library: MotionLibrary) -> None:
    allowed = ALL.clone()
    allowed[3:40] = False
    sampler = StartSampler(library, allowed, blend=1.0)
    drawn = sampler.draw(5000, torch.Generator().manual_seed(0))
    assert not ((drawn >= 3) & (drawn < 40)).any()
    assert (drawn < 3).any()


def test_results_of_one_call_are_averaged_and_move_the_table_half_way(library: MotionLibrary) -> None:
    sampler = StartSampler(library, ALL, blend=1.0)
    row = torch.tensor([5, 5, 6, 6])
    sampler.record(row, torch.tensor([0.2, 0.6, 0.9, 0.9]), torch.tensor([True, True, True, False]))
    assert abs(float(sampler.frame_reward[5]) - 0.2) < 1e-6
    assert abs(float(sampler.frame_reward[6]) - 0.45) < 1e-6
    assert float(sampler.frame_reward.sum()) < 0.651


def test_tables_survive_a_checkpoint(library: MotionLibrary) -> None:
    sampler = StartSampler(library, ALL, blend=1.0)
    _record(sampler, _rows(library, 1, 9), reward=0.7)
    other = StartSampler(library, ALL, blend=1.0)
    assert not torch.equal(other.weights, sampler.weights)
    other.load_state_dict(sampler.state_dict())
    assert torch.equal(other.weights, sampler.weights)
