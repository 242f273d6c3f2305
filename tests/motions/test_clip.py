"""What a clip accepts and refuses."""

import dataclasses

import numpy as np
import pytest

from hoigym.core.errors import UserError
from hoigym.motions.clip import ClipError
from tests.motions.clips import blanked, random_clip


def test_sizes() -> None:
    clip = random_clip(frames=9, skeleton="parahome", objects=2)
    assert clip.num_frames == 9
    assert clip.num_objects == 2
    assert clip.joint_rot.shape == (9, 60, 3)
    assert not clip.missing.any()


def test_missing_frames_are_those_stored_as_zeros() -> None:
    clip = blanked(random_clip(), [3, 7])
    assert np.flatnonzero(clip.missing).tolist() == [3, 7]


def test_a_frame_with_one_number_is_not_missing() -> None:
    clip = blanked(random_clip(), [3])
    object_pos = clip.object_pos.copy()
    object_pos[3, 0, 2] = 0.12
    assert not dataclasses.replace(clip, object_pos=object_pos).missing.any()


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        random_clip().root_pos[0] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 0.0}, "frame rate 0; expected a positive"),
        ({"fps": -60.0}, "frame rate -60; expected a positive"),
        ({"fps": float("nan")}, "frame rate nan; expected a positive"),
        ({"skill": 64}, "skill id 64; expected 0 to 63"),
        ({"skill": -1}, "skill id -1; expected 0 to 63"),
        ({"frames": 3}, "only 3 frames; expected at least 4"),
        ({"frames": 0}, "only 0 frames; expected at least 4"),
        ({"root_pos": np.zeros((12, 3))}, "root_pos is float64; expected float32"),
        (
            {"joint_rot": np.zeros((12, 60, 3), np.float32)},
            r"joint_rot has shape \(12, 60, 3\); expected \(12, 52, 3\)",
        ),
        (
            {"object_pos": np.zeros((11, 1, 3), np.float32)},
            r"object_pos has shape \(11, 1, 3\); expected \(12, 1, 3\)",
        ),
        ({"contact": np.full((12, 1), 0.5, np.float32)}, "contact label 0.5 at frame 0; expected 0 or 1"),
        ({"root_rot": np.full((12, 3), np.inf, np.float32)}, "root_rot holds NaN or infinity at frame 0"),
    ],
)
def test_refused(changes: dict, message: str) -> None:
    with pytest.raises(ClipError, match=f"^clip 'random_0': {message}"):
        random_clip(**changes)


def test_unknown_skeleton_is_refused() -> None:
    with pytest.raises(ClipError, match="unknown skeleton 'spider'; expected one of mocap, parahome"):
        dataclasses.replace(random_clip(), skeleton="spider")


def test_all_frames_missing_is_refused() -> None:
    with pytest.raises(ClipError, match="every frame is missing"):
        blanked(random_clip(), list(range(12)))


def test_clip_errors_speak_to_the_user() -> None:
    assert issubclass(ClipError, UserError)
