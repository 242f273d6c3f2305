"""Replay buffers come back as they were written, whatever happened in between."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.replay_buffer import ReplayBuffer, ReplayWriter, read_replay


def episode(length: int, value: int) -> dict[str, np.ndarray]:
    return {"img": np.full((length, 8, 8, 3), value, np.uint8), "action": np.full((length, 2), value, np.float32)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = ReplayWriter(tmp_path / "demos.zarr")
    for seed, length in enumerate((3, 5)):
        writer.append(episode(length, seed + 1), seed)
    return tmp_path / "demos.zarr"


def test_layout_is_the_published_one(path: Path):
    root = zarr.open_group(path, mode="r")
    assert root.metadata.zarr_format == 2
    assert np.asarray(root["meta/episode_ends"]).tolist() == [3, 8]
    assert np.asarray(root["data/img"]).shape == (8, 8, 8, 3)


def test_episodes_come_back(path: Path):
    buffer = read_replay(path)
    assert buffer.seeds.tolist() == [0, 1]
    np.testing.assert_array_equal(buffer.episode(1)["action"], episode(5, 2)["action"])
    assert set(read_replay(path, ["action"]).arrays) == {"action"}
    assert read_replay(path, []).arrays == {}


def test_the_first_episodes_alone(path: Path):
    first = read_replay(path).first(1)
    assert first.episode_ends.tolist() == [3]
    assert len(first.arrays["img"]) == 3


def test_what_a_killed_writer_left_is_cut_off(path: Path):
    array = zarr.open_group(path, mode="a")["data/action"]
    assert isinstance(array, zarr.Array)
    array.append(np.full((4, 2), 9, np.float32))
    writer = ReplayWriter(path)
    writer.append(episode(2, 3), 2)
    assert writer.seeds == [0, 1, 2]
    np.testing.assert_array_equal(read_replay(path).episode(2)["action"], episode(2, 3)["action"])


def test_appending_reads_no_steps_but_sees_what_is_torn(path: Path, monkeypatch: pytest.MonkeyPatch):
    read, get = [], zarr.Array.__getitem__

    def spy(array: zarr.Array, selection):
        read.append(array.basename)
        return get(array, selection)

    monkeypatch.setattr(zarr.Array, "__getitem__", spy)
    ReplayWriter(path).append(episode(2, 3), 2)
    assert set(read) <= {"episode_ends", "episode_seeds"}
    img = zarr.open_group(path, mode="a")["data/img"]
    assert isinstance(img, zarr.Array)
    img.resize((5, 8, 8, 3))
    with pytest.raises(UVAError, match="img is shorter"):
        ReplayWriter(path)


def test_zarr_format_3_and_floating_point_pictures_are_read(tmp_path: Path):
    root = zarr.open_group(tmp_path / "three.zarr", mode="w", zarr_format=3)
    root.create_group("data").create_array("img", data=np.full((4, 8, 8, 3), 255.0, np.float32))
    root.create_group("meta").create_array("episode_ends", data=np.array([4]))
    buffer = read_replay(tmp_path / "three.zarr")
    assert buffer.arrays["img"].dtype == np.float32
    assert buffer.seeds.tolist() == [-1]


def test_a_zip_is_read(path: Path, tmp_path: Path):
    store = ZipStore(tmp_path / "demos.zarr.zip", mode="w")
    root = zarr.open_group(store, mode="w", zarr_format=2)
    root.create_group("data").create_array("action", data=np.ones((3, 2), np.float32))
    root.create_group("meta").create_array("episode_ends", data=np.array([3]))
    store.close()
    assert read_replay(tmp_path / "demos.zarr.zip").arrays["action"].shape == (3, 2)


def test_faults_are_named(path: Path, tmp_path: Path):
    with pytest.raises(UVAError, match="depth"):
        read_replay(path, ["depth"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UVAError):
        read_replay(tmp_path / "empty")
    with pytest.raises(UVAError):
        read_replay(tmp_path / "nothing")
    writer = ReplayWriter(path)
    with pytest.raises(UVAError, match="one length"):
        writer.append({"img": np.zeros((2, 8, 8, 3), np.uint8), "action": np.zeros((3, 2), np.float32)})
    with pytest.raises(UVAError, match="action"):
        writer.append({"img": np.zeros((2, 8, 8, 3), np.uint8), "action": np.zeros((2, 3), np.float32)})
    assert isinstance(read_replay(path), ReplayBuffer)


def test_a_torn_buffer_is_refused(path: Path):
    array = zarr.open_group(path, mode="a")["data/action"]
    assert isinstance(array, zarr.Array)
    array.resize((5, 2))
    with pytest.raises(UVAError, match="action is shorter"):
        read_replay(path)


def test_instructions_come_back_and_follow_their_episodes(path: Path):
    writer = ReplayWriter(path)
    writer.append(episode(2, 3), 2, "push the block")
    assert read_replay(path).texts == ("", "", "push the block")
    assert read_replay(path).first(2).texts == ("", "")
    ends = zarr.open_group(path, mode="a")["meta/episode_ends"]
    assert isinstance(ends, zarr.Array)
    # As if the program had been killed before the end was written.
    ends.resize((2,))
    writer = ReplayWriter(path)
    writer.append(episode(4, 5), 3)
    assert read_replay(path).texts == ("", "", "")


def test_a_file_in_the_way_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("something")
    with pytest.raises(UVAError, match="is a file"):
        ReplayWriter(tmp_path / "file")
