"""Files of other programs are read, and nothing in them runs."""

import contextlib
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from hoigym.core.foreign_torch import StandIn, Unreadable, read_torch_file


class Settings:
    """What another program may keep beside its weights."""

    def __init__(self) -> None:
        self.rate = 0.5


class Touch:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_weights_come_back_and_objects_are_inert(tmp_path: Path):
    counts = defaultdict(list, a=[1])
    torch.save({"w": torch.arange(3), "settings": Settings(), "counts": counts}, tmp_path / "file")
    content = read_torch_file(tmp_path / "file")
    assert content["w"].tolist() == [0, 1, 2]
    assert isinstance(content["settings"], StandIn)
    assert content["settings"].state == {"rate": 0.5}
    assert content["counts"] == {"a": [1]}
    assert not isinstance(content["counts"], defaultdict)


def test_nothing_runs(tmp_path: Path):
    torch.save({"w": torch.ones(2), "bad": Touch(tmp_path / "ran")}, tmp_path / "file")
    torch.load(tmp_path / "file", weights_only=False)
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    with contextlib.suppress(Unreadable):
        read_torch_file(tmp_path / "file")
    assert not (tmp_path / "ran").exists()


def test_what_is_no_such_file_says_why(tmp_path: Path):
    torch.save({"w": torch.ones(10_000)}, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for length in (0, 5, 5000, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(Unreadable, match="^damaged, or not a checkpoint"):
            read_torch_file(tmp_path / "cut")
    with pytest.raises(Unreadable, match="^No such file"):
        read_torch_file(tmp_path / "none")
    with pytest.raises(Unreadable, match="^Is a directory"):
        read_torch_file(tmp_path)
