"""`run.py uniskill extract`."""

from pathlib import Path

import pytest
import torch

from hoigym.commands.uniskill_extract import ExtractConfig, extract
from hoigym.commands.uniskill_render import RenderConfig, render
from hoigym.conditioners.table import ConditionTable, load_table
from hoigym.core.errors import UserError
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary

ROOT = Path(__file__).parents[1]
MINI = str(ROOT / "models" / "uniskill_mini")
CLIP = CLIP_DIR / "014_demo_dribble_spot_2.npz"


def extracted(source: Path, folder: Path, **options) -> ConditionTable:
    extract(ExtractConfig(source, folder / "z.npz", MINI, cache=folder / "cache", overwrite=True, **options))
    return load_table(folder / "z.npz")


def test_a_clip_is_filmed_and_described_as_its_film_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = extracted(CLIP, tmp_path)
    library = MotionLibrary(load_clips(CLIP))
    assert table.values.shape == (1, library.num_frames, 16)
    assert (table.fps, table.library_hash) == (library.fps, library.content_hash)
    assert table.values[0].std(0).min() > 0
    assert "0 films were in" in capsys.readouterr().out

    render(RenderConfig(tmp_path / "films", str(CLIP), looks=("A",), variants=1))
    assert torch.equal(extracted(tmp_path / "films", tmp_path).values, table.values)
    # The film of the clip is the one that was filmed for it before.
    assert "1 films were in" in capsys.readouterr().out
    with pytest.raises(UserError, match="is taken as a store, but --looks is for clips"):
        extracted(tmp_path / "films", tmp_path, looks=("A",))


def test_each_look_of_a_clip_is_a_variant(tmp_path: Path) -> None:
    table = extracted(CLIP, tmp_path, looks=("A", "C"))
    assert table.values.shape[0] == 2
    assert not torch.allclose(table.values[0], table.values[1])


@pytest.mark.parametrize(
    ("source", "options", "line"),
    [
        (ROOT / "README.md", {}, "unknown suffix '.md'"),
        (ROOT / "docs", {}, "no clip in this directory"),
        (ROOT / "nothing", {}, "no such store or video, nor a clip"),
        (CLIP, {"looks": ("Z",)}, "unknown look 'Z'"),
        (CLIP, {"as_released": True}, "is taken as clips, but --as_released is for a video"),
        (CLIP, {"embodiments": ("B",)}, "is taken as clips, but --embodiments is for a store"),
        (CLIP, {"device": "abacus"}, "device abacus: there is none here"),
    ],
)
def test_what_cannot_be_described_is_one_line(tmp_path: Path, source: Path, options: dict, line: str) -> None:
    with pytest.raises(UserError, match=line):
        extracted(source, tmp_path, **options)


def test_a_gap_that_is_none_is_one_line() -> None:
    for gap in (0.0, -1.0, float("nan")):
        with pytest.raises(UserError, match="gap must be above 0"):
            ExtractConfig(gap=gap)
