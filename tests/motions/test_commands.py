"""What `run.py motions` prints and writes."""

from pathlib import Path

import pytest
import torch

from hoigym.core.errors import UserError
from hoigym.motions import clip_folder as commands
from hoigym.motions.clip import ClipError
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips, save_clip
from tests.motions.clips import blanked, random_clip
from tests.motions.test_formats import mocap_table


def test_info_lists_clips_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    commands.info(CLIP_DIR)
    lines = capsys.readouterr().out.splitlines()
    columns = " ".join(lines[0].split())
    assert columns == "# clip skill skeleton frames s fps objects contact missing object z [m]"
    assert " ".join(lines[4].split()) == "3 001_demo_pickup_4 1 mocap 216 3.60 60 1 61% 0 0.12 .. 1.05"
    assert lines[-1] == "5 clips, 1026 frames, 17.1 s"
    assert len({line.index("mocap") for line in lines[1:-1]}) == 1


def test_info_counts_missing_frames_and_leaves_them_out_of_the_height(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    height = random_clip().object_pos + 5.0
    save_clip(blanked(random_clip(object_pos=height), [2, 3]), tmp_path / "a.npz")
    save_clip(random_clip(objects=0), tmp_path / "b.npz")
    commands.info(tmp_path)
    first, second = (line.split() for line in capsys.readouterr().out.splitlines()[1:3])
    assert first[9] == "2"
    assert float(first[10]) > 3
    assert second[7:] == ["0", "0%", "0", "-"]


def test_convert_keeps_order_and_directories(tmp_path: Path) -> None:
    for name in ("b/013_run_1.pt", "009_shot_2.pt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        torch.save(mocap_table(), tmp_path / "in" / name)
    written = commands.convert(tmp_path / "in", tmp_path / "out")
    assert written == [tmp_path / "out/b/013_run_1.npz", tmp_path / "out/009_shot_2.npz"]
    assert [clip.name for clip in load_clips(tmp_path / "out")] == ["013_run_1", "009_shot_2"]


def test_convert_one_file(tmp_path: Path) -> None:
    torch.save(mocap_table(), tmp_path / "013_run_1.pt")
    assert commands.convert(tmp_path / "013_run_1.pt", tmp_path / "out") == [tmp_path / "out/013_run_1.npz"]


def test_convert_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    for name in ("001_a.pt", "001_b.pt"):
        torch.save(mocap_table(), tmp_path / name)
    out = tmp_path / "out"
    out.mkdir()
    (out / "001_b.npz").write_text("mine")
    with pytest.raises(UserError, match=r"001_b\.npz: exists already"):
        commands.convert(tmp_path / "001_b.pt", out)
    assert [path.name for path in out.iterdir()] == ["001_b.npz"]
    assert (out / "001_b.npz").read_text() == "mine"
    commands.convert(tmp_path / "001_b.pt", out, overwrite=True)
    assert load_clips(out)[0].num_frames == 10


def test_one_bad_clip_and_nothing_is_written(tmp_path: Path) -> None:
    torch.save(mocap_table(), tmp_path / "001_a.pt")
    (tmp_path / "001_b.pt").touch()
    with pytest.raises(ClipError, match=r"001_b\.pt: truncated"):
        commands.convert(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file(tmp_path: Path) -> None:
    torch.save(mocap_table(), tmp_path / "001_a.pt")
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match="out: cannot be created"):
        commands.convert(tmp_path / "001_a.pt", tmp_path / "out")


def test_synth_writes_the_demo_clips(tmp_path: Path) -> None:
    written = commands.synth(tmp_path)
    assert sorted(path.name for path in written) == sorted(path.name for path in CLIP_DIR.iterdir())
    with pytest.raises(UserError, match="exists already"):
        commands.synth(tmp_path)
