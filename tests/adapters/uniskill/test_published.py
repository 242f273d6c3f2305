import json
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from hoigym.adapters.uniskill.config import PairConfig
from hoigym.adapters.uniskill.footage import Footage
from hoigym.adapters.uniskill.published import PUBLISHED, open_footage
from hoigym.core.errors import UserError
from tests.adapters.uniskill.films import video


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def parts(kind: str, root: Path, **more: Any) -> list[Footage]:
    return [PUBLISHED[kind](PairConfig(kind, str(root), **more), held_out) for held_out in (False, True)]  # pyright: ignore


def names(footage: Footage, root: Path) -> list[str]:
    return [str(Path(piece.name).relative_to(root)) for piece in footage.pieces]


def test_bridge(tmp_path: Path) -> None:
    write(tmp_path / "metadata.json", {f"{index:02d}.mp4": 40 - 36 * (index == 3) for index in range(20)})
    train, held_out = parts("bridge", tmp_path)
    assert names(held_out, tmp_path) == ["18.mp4", "19.mp4"]
    assert len(train.pieces) == 17
    assert "03.mp4" not in names(train, tmp_path)
    assert train.pieces[0].gap == (5, 10)
    with pytest.raises(UserError, match="expected the data set's description"):
        parts("bridge", tmp_path / "none")


def test_droid_and_its_raw_layout(tmp_path: Path) -> None:
    entries = {f"{index}.mp4": {"success": "success" if index else "failure", "length": 99} for index in range(4)}
    write(tmp_path / "droid" / "metadata.json", entries)
    train, _ = parts("droid", tmp_path / "droid")
    assert names(train, tmp_path / "droid") == ["exterior_image_1_left/1.mp4", "exterior_image_1_left/2.mp4"]
    write(tmp_path / "raw" / "metadata.json", {"x": {"lab": "A", "ext1_mp4_path": "b/c.mp4", "length": 99}})
    _, held_out = parts("droid", tmp_path / "raw")
    assert (names(held_out, tmp_path / "raw"), held_out.pieces[0].last) == (["A/b/c.mp4"], 98)


def test_libero_holds_out_a_tenth_of_every_task(tmp_path: Path) -> None:
    for task in ("libero_90/mug", "libero_10/pot"):
        for demo in range(10):
            path = tmp_path / task / f"{demo}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.full((30, 4, 4, 3), demo, np.uint8))
    train, held_out = parts("libero", tmp_path)
    assert (len(train.pieces), len(held_out.pieces)) == (18, 2)
    assert held_out.frames(1, (0, 29))[0].tolist() == np.full((2, 4, 4, 3), 9).tolist()


def test_h2o_reads_numbered_pictures(tmp_path: Path) -> None:
    write(tmp_path / "metadata.json", [{"path": f"take{index}", "length": 50} for index in range(10)])
    (tmp_path / "take9").mkdir()
    for frame in (3, 40):
        iio.imwrite(tmp_path / "take9" / f"{frame:06d}.png", np.full((4, 4, 3), frame, np.uint8))
    train, held_out = parts("h2o", tmp_path)
    assert len(train.pieces) == 9
    assert held_out.frames(0, (3, 40))[0].mean((1, 2, 3)).tolist() == [3, 40]


def test_something_something_keeps_skill_labels_and_skips_the_start(tmp_path: Path) -> None:
    write(tmp_path / "labels" / "labels.json", {"Moving something up": "4", "Doing nothing": "2"})
    entry = {"template": "Moving [something] up", "length": 50}
    other = {"template": "Doing nothing", "length": 50}
    write(tmp_path / "labels" / "metadata_train.json", {"7": entry, "8": other, "9": {**entry, "length": 12}})
    write(tmp_path / "labels" / "metadata_val.json", {"1": entry})
    train, held_out = parts("sthsthv2", tmp_path)
    assert [(piece.first, piece.last) for piece in train.pieces] == [(20, 50)]
    assert names(train, tmp_path) == ["sthsthv2/7.mp4"]
    assert names(held_out, tmp_path) == ["sthsthv2/1.mp4"]


def test_combined_takes_the_sets_that_are_there(tmp_path: Path) -> None:
    write(tmp_path / "bridge" / "metadata.json", {f"{index:02d}.mp4": 40 for index in range(10)})
    write(tmp_path / "h2o" / "metadata.json", [{"path": f"take{index}", "length": 50} for index in range(10)])
    (tmp_path / "h2o" / "take0").mkdir()
    iio.imwrite(tmp_path / "h2o" / "take0" / "000003.png", np.full((4, 4, 3), 3, np.uint8))
    train, held_out = parts("combined", tmp_path)
    assert (len(train.pieces), len(held_out.pieces)) == (18, 2)
    assert [train.pieces[place].gap for place in (0, 9)] == [(5, 10), (30, 60)]
    assert names(train, tmp_path)[9] == "h2o/take0"
    assert train.frames(9, (3,))[0].mean() == 3
    with pytest.raises(UserError, match="cannot be read"):
        train.frames(9, (4,))
    with pytest.raises(UserError, match="none of the folders droid, libero, bridge, sthsthv2, h2o"):
        parts("combined", tmp_path / "bridge")


@pytest.mark.parametrize("content", [["a.mp4"], {"a.mp4": "long"}, {"a.mp4": None}])
def test_another_layout_is_one_line(tmp_path: Path, content: Any) -> None:
    write(tmp_path / "metadata.json", content)
    with pytest.raises(UserError, match="not laid out as bridge is"):
        open_footage(PairConfig("bridge", str(tmp_path)), False)


def test_xskill_splits_by_who_acts(tmp_path: Path) -> None:
    for task in ("human_push", "robot_push"):
        for camera in ("0", "1"):
            video(tmp_path / "data_v2" / task / "videos" / "0" / camera / "color.mp4")
    train, held_out = parts("xskill", tmp_path, unseen="human")
    assert names(train, tmp_path) == ["data_v2/robot_push/videos/0/0/color.mp4"]
    assert names(held_out, tmp_path) == ["data_v2/human_push/videos/0/0/color.mp4"]
