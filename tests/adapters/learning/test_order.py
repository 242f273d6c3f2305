import itertools

import pytest
import torch

from hoigym.adapters.learning.learner import EndlessBatches
from hoigym.adapters.learning.state import AveragedWeights, decay


def first(count: int, order: EndlessBatches) -> list[list[tuple[int, int]]]:
    return list(itertools.islice(order, count))


def test_every_sample_comes_once_an_order_and_draws_differ() -> None:
    keys = [key for batch in first(6, EndlessBatches(6, 2, seed=3)) for key in batch]
    assert sorted(index for index, _ in keys[:6]) == list(range(6))
    assert sorted(index for index, _ in keys[6:]) == list(range(6))
    assert [index for index, _ in keys[:6]] != [index for index, _ in keys[6:]]
    assert len({seed for _, seed in keys}) == 12


def test_starting_later_and_sharing_give_the_same_samples() -> None:
    whole = first(4, EndlessBatches(5, 4, seed=0))
    assert first(2, EndlessBatches(5, 4, seed=0, first_step=2)) == whole[2:]
    parts = [first(4, EndlessBatches(5, 2, seed=0, rank=rank, processes=2)) for rank in range(2)]
    assert [left + right for left, right in zip(*parts, strict=True)] == whole


def test_decay_of_the_average() -> None:
    assert [decay(updates) for updates in (0, 1)] == [0.0, 0.0]
    assert decay(2) == pytest.approx(1 - 2**-0.75)
    assert decay(10**9) == 0.9999
    module = torch.nn.Linear(1, 1, bias=False)
    averaged = AveragedWeights(module)
    expected = 0.0
    for updates, value in enumerate([1.0, 5.0, 3.0, 2.0]):
        torch.nn.init.constant_(module.weight, value)
        averaged.update(module, updates)
        share = 0.0 if updates < 2 else 1 - updates**-0.75
        expected = share * expected + (1 - share) * value
        assert averaged.values["weight"].item() == pytest.approx(expected)
