"""LIBERO and robomimic files become episodes."""

import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.replay_buffer import instruction, read_hdf5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pick_up_the_mug_demo.hdf5"
    with h5py.File(path, "w") as file:
        for index in (0, 2, 10):
            demo = file.create_group(f"data/demo_{index}")
            demo["actions"] = np.tile([1.0, 2.0, 3.0, 0.0, 0.0, math.pi / 2, -1.0], (4, 1))
            demo["states"] = np.full((4, 9), index)
            pictures = np.zeros((4, 8, 8, 3), np.uint8)
            pictures[:, 0] = 200
            demo["obs/agentview_rgb"] = pictures
    return path


def test_episodes_come_in_the_order_of_their_numbers(path: Path):
    assert [episode["state"][0, 0] for episode in read_hdf5(path)] == [0, 2, 10]


def test_pictures_are_turned_upside_down(path: Path):
    episode = next(read_hdf5(path))
    assert (episode["img"][:, -1] == 200).all()
    assert (episode["img"][:, 0] == 0).all()
    assert (next(read_hdf5(path, flip=False))["img"][:, 0] == 200).all()


def test_a_rotation_becomes_two_rows(path: Path):
    """A quarter turn about z: rows (0, -1, 0) and (1, 0, 0)."""
    action = next(read_hdf5(path))["action"]
    np.testing.assert_allclose(action[0], [1, 2, 3, 0, -1, 0, 1, 0, 0, -1], atol=1e-6)
    assert next(read_hdf5(path, rotation_6d=False))["action"].shape == (4, 7)


def test_the_instruction_is_in_the_name(path: Path):
    assert instruction(path) == "pick up the mug"


def test_faults_are_named(path: Path, tmp_path: Path):
    with pytest.raises(UVAError, match="wrist"):
        list(read_hdf5(path, camera="wrist"))
    other = tmp_path / "text.hdf5"
    other.write_text("no")
    with pytest.raises(UVAError, match="cannot be read"):
        list(read_hdf5(other))
