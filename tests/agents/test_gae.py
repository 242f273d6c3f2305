import torch

from hoigym.agents.losses import estimate_advantages

GAMMA, LAM = 0.9, 0.8


def test_advantages_by_hand() -> None:
    """Three worlds over three steps: one runs on, one terminates, one times out, both at step 1."""
    rewards = torch.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    values = torch.tensor([[0.5, 0.5, 0.5], [1.0, 1.0, 1.0], [1.5, 1.5, 1.5]])
    last, stopped_at = 2.0, 4.0
    next_values = torch.tensor([[1.0, 1.0, 1.0], [1.5, 0.0, stopped_at], [last, last, last]])
    dones = torch.tensor([[False] * 3, [False, True, True], [False] * 3])

    advantages = estimate_advantages(rewards, values, next_values, dones, gamma=GAMMA, lam=LAM)

    tail = 3.0 + GAMMA * last - 1.5
    first = 1.0 + GAMMA * 1.0 - 0.5
    going_on = 2.0 + GAMMA * 1.5 - 1.0 + GAMMA * LAM * tail
    terminated = 2.0 - 1.0
    timed_out = 2.0 + GAMMA * stopped_at - 1.0
    middle = torch.tensor([going_on, terminated, timed_out])
    expected = torch.stack([first + GAMMA * LAM * middle, middle, torch.full((3,), tail)])
    torch.testing.assert_close(advantages, expected)


def test_lambda_one_gives_discounted_returns() -> None:
    rewards = torch.rand(5, 2)
    values = torch.rand(6, 2)
    dones = torch.zeros(5, 2, dtype=torch.bool)
    advantages = estimate_advantages(rewards, values[:-1], values[1:], dones, gamma=GAMMA, lam=1.0)
    total = values[-1]
    for step in range(4, -1, -1):
        total = rewards[step] + GAMMA * total
        torch.testing.assert_close(advantages[step] + values[step], total)
