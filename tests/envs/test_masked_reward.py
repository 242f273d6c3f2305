import torch

from hoigym.envs.reward import masked_reward


def test_masked_rows_get_the_mean_of_their_clip():
    values = torch.tensor([0.2, 0.4, torch.nan, torch.nan, 0.9, torch.nan])
    masked = values.isnan()
    clip = torch.tensor([0, 0, 0, 2, 1, 1])
    filled = masked_reward(values, masked, clip, num_clips=3)
    torch.testing.assert_close(filled, torch.tensor([0.2, 0.4, 0.3, 0.5, 0.9, 0.9]))
    nobody = masked_reward(values, torch.ones(6, dtype=torch.bool), clip, num_clips=3)
    assert torch.equal(nobody, torch.zeros(6))
