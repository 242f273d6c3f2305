import numpy as np
import pytest
import torch

from hoigym.envs.termination import EndReason, episode_end, has_fallen, object_lost, root_lost, window_over


@pytest.mark.parametrize(("suffix", "never_for"), [("", ()), ("_noterm_label0", (0,))])
def test_published_resets(shared, suffix, never_for):
    arrays = np.load(shared / "golden" / "obs_reward.npz", allow_pickle=False)
    names = ("progress", "root_height", "episode_length", "skill_label")
    progress, height, length, skill = (torch.from_numpy(arrays[name]) for name in names)
    end = episode_end(
        window=window_over(progress, length),
        fallen=has_fallen(height, progress, skill, height=0.25, never_for=never_for),
    )
    assert torch.equal(end.terminated.long(), torch.from_numpy(arrays[f"terminated{suffix}"]))
    assert torch.equal((end.terminated | end.truncated).long(), torch.from_numpy(arrays[f"reset{suffix}"]))
    assert not (end.terminated & end.truncated).any()


def test_a_fall_counts_after_the_first_two_steps():
    fallen = has_fallen(torch.tensor([0.29, 0.29, 0.29, 0.31]), torch.tensor([0, 1, 2, 9]), torch.full((4,), 13))
    assert fallen.tolist() == [False, False, True, False]


def test_skills_that_begin_lying_never_fall():
    low, late = torch.full((3,), 0.1), torch.full((3,), 20)
    assert has_fallen(low, late, torch.tensor([0, 1, 13]), never_for=(0,)).tolist() == [False, True, True]
    assert has_fallen(low, late, torch.tensor([0, 1, 13]), never_for=(1, 13)).tolist() == [True, False, False]


def test_the_window_ends_with_its_last_frame():
    progress = torch.tensor([58, 59, 60])
    assert window_over(progress, 60).tolist() == [False, True, True]
    assert window_over(progress, torch.tensor([59, 61, 61])).tolist() == [True, False, True]


def test_distance_to_the_reference():
    root = torch.tensor([[0.0, 0.0, 1.0], [0.3, 0.0, 1.5]])
    assert root_lost(root, torch.tensor([0.0, 0.0, 1.0])).tolist() == [False, True]
    balls, wanted = torch.zeros(3, 2, 3), torch.zeros(3, 2, 3)
    balls[1:, 1, 0] = 0.6
    assert object_lost(balls, wanted, torch.tensor([False, False, True])).tolist() == [False, True, False]
    assert not object_lost(balls, wanted, torch.zeros(3, dtype=torch.bool), distance=0.7).any()
    assert not object_lost(balls[:, :0], wanted[:, :0], torch.zeros(3, dtype=torch.bool)).any()


def test_reasons_and_their_precedence():
    def mask(*rows: int) -> torch.Tensor:
        return torch.tensor([row in rows for row in range(7)])

    end = episode_end(
        window=mask(1, 5),
        root_lost=mask(2, 6),
        object_lost=mask(3, 6),
        fallen=mask(4, 5, 6),
        diverged=mask(6),
    )
    assert [EndReason(code).name for code in end.reason.tolist()] == [
        "RUNNING",
        "WINDOW",
        "ROOT_LOST",
        "OBJECT_LOST",
        "FALL",
        "FALL",
        "DIVERGED",
    ]
    assert end.truncated.tolist() == [row == 1 for row in range(7)]
    assert end.terminated.tolist() == [row >= 2 for row in range(7)]
    assert end.terminated.dtype == torch.bool
