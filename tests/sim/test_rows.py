"""Selections of rows."""

import pytest
import torch

from hoigym.sim.env_ids import Rows

SELECTED = torch.tensor([True, False, False, True])


def test_of_names_the_selected_rows() -> None:
    rows = Rows.of(SELECTED)
    assert rows.index.tolist() == [0, 3]
    assert rows.mask.all()
    assert len(rows) == 2
    assert len(Rows.of(torch.zeros(4, dtype=torch.bool))) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_write_changes_only_the_selected_rows(dtype: torch.dtype) -> None:
    buffer = torch.zeros(4, 2, dtype=dtype)
    Rows.of(SELECTED).write(buffer, torch.ones(2, 2, dtype=dtype))
    assert buffer.tolist() == torch.tensor([[1, 1], [0, 0], [0, 0], [1, 1]]).to(dtype).tolist()


def test_write_one_number() -> None:
    buffer = torch.arange(4.0)
    Rows.of(SELECTED).write(buffer, -1.0)
    assert buffer.tolist() == [-1, 1, 2, -1]


@pytest.mark.parametrize("masked", [False, True], ids=["named", "every row named, some masked out"])
def test_write_one_of_several_in_each_selected_row(masked: bool) -> None:
    rows = Rows(torch.arange(4), SELECTED) if masked else Rows.of(SELECTED)
    buffer = torch.zeros(4, 2, 3, dtype=torch.float64)
    which = torch.tensor([1, 0, 0, 0])[rows.index]
    values = torch.arange(1.0, 5.0)[rows.index, None].expand(-1, 3)
    rows.write_one(buffer, which, values)
    assert buffer[..., 0].tolist() == [[0, 1], [0, 0], [0, 0], [4, 0]]
    assert torch.equal(buffer[..., 0], buffer[..., 2])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_rows_are_written_through_a_mask() -> None:
    rows = Rows.of(SELECTED.cuda())
    assert rows.index.tolist() == [0, 1, 2, 3]
    buffer = torch.zeros(4, 2, device="cuda")
    rows.write(buffer, torch.arange(8.0, device="cuda").view(4, 2) + 1)
    assert buffer.tolist() == [[1, 2], [0, 0], [0, 0], [7, 8]]
    flags = torch.ones(4, dtype=torch.bool, device="cuda")
    rows.write(flags, False)
    assert flags.tolist() == [False, True, True, False]


def test_a_fixed_number_of_rows_those_selected_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU gets, where counting the selected rows would stall it."""
    monkeypatch.setattr("hoigym.sim.env_ids.counting_stalls", lambda device: True)
    rows = Rows.of(torch.tensor([False, True, False, True, False]), most=3)
    assert rows.index.tolist() == [1, 3, 0]
    assert rows.mask.tolist() == [True, True, False]
    buffer = torch.arange(5.0)
    assert rows.merged(buffer, torch.tensor([10.0, 30.0, 99.0])).tolist() == [0, 10, 2, 30, 4]
    rows.write(buffer, 7.0)
    assert buffer.tolist() == [0, 7, 2, 7, 4]
    assert Rows.of(torch.ones(4, dtype=torch.bool), most=2).index.tolist() == [0, 1]
