import pytest
import torch
from torch import Tensor

from conditioners.base import ConditionQuery, SkillConditioner, refresh, tabulate
from conditioners.label import LabelConditioner


class ClipTable(SkillConditioner):
    """Values looked up by clip frame, as embeddings of reference clips are."""

    width = 2
    per_frame = True

    def __init__(self, table: Tensor, hold_steps: int = 1) -> None:
        self.table = table
        self.hold_steps = hold_steps

    def __call__(self, query: ConditionQuery) -> Tensor:
        return self.table[query.frame]


class Prompt(SkillConditioner):
    """Values that follow the time since the skill was chosen, as those of a video prompt do."""

    width = 1

    def __call__(self, query: ConditionQuery) -> Tensor:
        return query.step[:, None].float()


@pytest.fixture
def table() -> Tensor:
    return torch.arange(20.0).view(10, 2)


def query(frame: int, step: int) -> ConditionQuery:
    return ConditionQuery(torch.tensor([13]), torch.tensor([frame]), torch.tensor([step]))


def test_a_held_value_changes_only_when_due(table):
    conditioner = ClipTable(table, hold_steps=3)
    held = torch.full((1, 2), torch.nan)
    seen = []
    for step in range(7):
        held = refresh(conditioner, query(frame=step + 2, step=step), held)
        seen.append(held[0, 0].item())
    assert seen == [4.0, 4.0, 4.0, 10.0, 10.0, 10.0, 16.0]


def test_rows_are_due_on_their_own(table):
    conditioner = ClipTable(table, hold_steps=4)
    rows = ConditionQuery(torch.tensor([13, 13]), torch.tensor([5, 5]), torch.tensor([0, 2]))
    assert refresh(conditioner, rows, torch.zeros(2, 2)).tolist() == [[10.0, 11.0], [0.0, 0.0]]


def test_a_value_of_one_step_is_always_new(table):
    held = torch.full((1, 2), torch.nan)
    assert refresh(ClipTable(table), query(frame=7, step=1), held).tolist() == [[14.0, 15.0]]


def test_tabulated_values_are_those_of_the_frames(table):
    skill = torch.tensor([11] * 4 + [31] * 6)
    assert torch.equal(tabulate(ClipTable(table), skill), table)
    labels = tabulate(LabelConditioner(), skill)
    assert labels.argmax(1).tolist() == skill.tolist()


def test_values_that_depend_on_time_cannot_be_tabulated():
    with pytest.raises(ValueError, match="Prompt does not depend on the clip frame alone"):
        tabulate(Prompt(), torch.tensor([1, 1]))
