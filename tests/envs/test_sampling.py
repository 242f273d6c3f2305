"""Adaptive trajectory sampling: weights go where reward is low, and survive a checkpoint."""

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.envs.config import StartConfig
from hoigym.envs.sampling import StartSampler, cap_shares
from hoigym.motions.library import MotionLibrary

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


def _with_one_hopeless_frame(library: MotionLibrary, cap: float) -> torch.Tensor:
    """Weights of the frames of the first clip, all of them learned but frame 7, which keeps reward 0."""
    sampler = StartSampler(library, ALL, blend=1.0, cap=cap)
    for frame in range(40):
        _record(sampler, _rows(library, 0, frame), reward=0.0 if frame == 7 else 0.4 + 0.01 * frame)
    return sampler.weights[:40] / sampler.weights[:40].sum()


def test_a_frame_that_cannot_be_learned_does_not_take_the_starts(library: MotionLibrary) -> None:
    free, capped = _with_one_hopeless_frame(library, cap=0.0), _with_one_hopeless_frame(library, cap=5.0)
    assert free[7] > 0.8
    assert abs(float(capped[7]) - 5.0 / 40.0) < 1e-6
    others = torch.arange(40) != 7
    torch.testing.assert_close(capped[others] / capped[others].sum(), free[others] / free[others].sum())


def test_the_cap_is_a_setting(make_env, library: MotionLibrary) -> None:
    sampler = make_env(start=StartConfig(adaptive=1.0))._starts.sampler
    _record(sampler, _rows(library, 0, 7), reward=0.0)
    for frame in [frame for frame in range(2, 39) if frame != 7]:
        _record(sampler, _rows(library, 0, frame), reward=0.9)
    of_clip = sampler.weights[:40] / sampler.weights[:40].sum()
    assert abs(float(of_clip[7]) - 5.0 / 37.0) < 1e-5
    with pytest.raises(UserError, match=r"start.adaptive_cap 0.5: expected 1 or more, or 0 for no limit"):
        StartConfig(adaptive_cap=0.5)


def test_shares_are_capped_exactly() -> None:
    shares = torch.tensor([[0.6, 0.3, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25], [0.9, 0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    limit = torch.tensor([[0.4], [0.25], [0.5], [1.0]])
    # In the first row 0.6 loses 0.2, of which 0.3 can take only 0.1.
    wanted = torch.tensor([[0.4, 0.4, 0.2, 0.0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(cap_shares(shares, limit), wanted)
    loose = torch.full((4, 1), 0.95)
    torch.testing.assert_close(cap_shares(shares, loose), shares)
