"""Prompts that are videos."""

from pathlib import Path

import pytest
import torch

from hoigym.commands import play as prompt
from hoigym.commands.uniskill_extract import ExtractConfig
from hoigym.conditioners.base import ConditionConfig
from hoigym.conditioners.table import ConditionTable, save_table
from hoigym.core.errors import UserError


def shown(text: str, table: str = "z.npz") -> ConditionConfig:
    return ConditionConfig(kind="table", file=table, prompt=text)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ExtractConfig]:
    """What `uniskill extract` is asked to do, in place of doing it; the prompts' tables lie in tmp_path."""
    configs: list[ExtractConfig] = []
    monkeypatch.setattr(prompt, "extract", configs.append)
    monkeypatch.setattr(prompt, "FOLDER", tmp_path)
    return configs


@pytest.fixture
def table(tmp_path: Path) -> str:
    """The conditions that the policy was trained with."""
    path = tmp_path / "z.npz"
    save_table(ConditionTable(torch.zeros(1, 3, 2), 60.0, "abc", {"gap": "0.25"}), path)
    return str(path)


def test_a_table_is_taken_as_it_is():
    assert prompt.prompt_table(shown("some/prompt.npz"), "", "") == "some/prompt.npz"
    assert prompt.prompt_table(ConditionConfig(), "", "") == ""


def test_a_video_is_described_by_the_model_first(tmp_path: Path, asked: list[ExtractConfig], table: str):
    made = prompt.prompt_table(shown("videos/clip.mp4", table), "models/mini", "my_depth")
    assert made == str(tmp_path / "clip.npz")
    config = asked[0]
    assert (config.source, config.output) == (Path("videos/clip.mp4"), tmp_path / "clip.npz")
    assert (config.model, config.depth_model, config.overwrite) == ("models/mini", "my_depth", True)


def test_a_clip_is_described_where_there_is_a_model(tmp_path: Path, asked: list[ExtractConfig], table: str):
    assert prompt.prompt_table(shown("clips/walk.npz", table), "models/mini", "") == str(tmp_path / "walk.npz")
    assert asked[0].source == Path("clips/walk.npz")


def test_a_prompt_has_the_gap_of_the_policys_conditions(tmp_path: Path, asked: list[ExtractConfig], table: str):
    prompt.prompt_table(shown("clip.mp4", table), "models/mini", "")
    save_table(ConditionTable(torch.zeros(1, 3, 2), 60.0, "abc"), tmp_path / "silent.npz")
    prompt.prompt_table(shown("clip.mp4", str(tmp_path / "silent.npz")), "models/mini", "")
    assert [config.gap for config in asked] == [0.25, 0.5]


def test_a_video_without_a_model_is_one_clear_line():
    with pytest.raises(UserError, match="needs --prompt_model"):
        prompt.prompt_table(shown("clip.mp4"), "", "")


def test_a_video_that_is_not_there_is_one_clear_line(table: str):
    with pytest.raises(UserError, match=r"nothing.mp4: no such store or video"):
        prompt.prompt_table(shown("nothing.mp4", table), "models/uniskill_mini", "")
