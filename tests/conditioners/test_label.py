import pytest
import torch

from hoigym.conditioners.base import ConditionQuery, LabelConditioner


def query(*skills: int) -> ConditionQuery:
    ids = torch.tensor(skills)
    return ConditionQuery(ids, *(torch.zeros_like(ids) for _ in range(4)))


def test_one_hot_of_the_skill():
    label = LabelConditioner()
    values = label(query(0, 13, 63))
    assert values.shape == (3, label.width) == (3, 64)
    assert values.dtype == torch.float32
    assert values.argmax(1).tolist() == [0, 13, 63]
    assert values.sum(1).tolist() == [1.0, 1.0, 1.0]


def test_a_skill_beyond_the_last_is_an_error():
    with pytest.raises(RuntimeError):
        LabelConditioner()(query(64))
