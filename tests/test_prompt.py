"""Prompts that are videos."""

from pathlib import Path

import pytest

from commands import prompt
from commands.uniskill_extract import ExtractConfig
from motions.errors import UserError


def test_a_table_is_taken_as_it_is():
    assert prompt.prompt_table("some/prompt.npz", "", "") == "some/prompt.npz"
    assert prompt.prompt_table("", "", "") == ""


def test_a_video_is_described_by_the_model_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[ExtractConfig] = []
    monkeypatch.setattr(prompt, "extract", asked.append)
    monkeypatch.setattr(prompt, "FOLDER", tmp_path)
    assert prompt.prompt_table("videos/clip.mp4", "models/mini", "my_depth") == str(tmp_path / "clip.npz")
    config = asked[0]
    assert (config.source, config.output) == (Path("videos/clip.mp4"), tmp_path / "clip.npz")
    assert (config.model, config.depth_model, config.overwrite) == ("models/mini", "my_depth", True)


def test_a_clip_is_described_where_there_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[ExtractConfig] = []
    monkeypatch.setattr(prompt, "extract", asked.append)
    monkeypatch.setattr(prompt, "FOLDER", tmp_path)
    assert prompt.prompt_table("clips/walk.npz", "models/mini", "") == str(tmp_path / "walk.npz")
    assert asked[0].source == Path("clips/walk.npz")


def test_a_video_without_a_model_is_one_clear_line():
    with pytest.raises(UserError, match="needs --prompt_model"):
        prompt.prompt_table("clip.mp4", "", "")


def test_a_video_that_is_not_there_is_one_clear_line():
    with pytest.raises(UserError, match=r"nothing.mp4: no such store or video"):
        prompt.prompt_table("nothing.mp4", "models/uniskill_mini", "")
