from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.adapters.uniskill.config import PairConfig, Variation
from hoigym.adapters.uniskill.footage import (
    VIDEO_SUFFIXES,
    FileFootage,
    Piece,
    StoreFootage,
    keep_part,
    read_video,
    video_facts,
    video_footage,
)
from hoigym.adapters.uniskill.pairs import FramePairs, fixed_batch, jitter, shuffled
from hoigym.adapters.uniskill.published import open_footage
from hoigym.core.errors import UserError
from tests.adapters.uniskill.films import square_store, video


def counted(path: Path, indices: Sequence[int]) -> np.ndarray:
    """Frame t is all t."""
    return np.stack([np.full((16, 16, 3), index, np.uint8) for index in indices])


def footage(first: int, last: int, gap: tuple[int, int]) -> FileFootage:
    return FileFootage([(Path("a"), Piece("a", first, last, gap))], counted)


def test_gaps_and_starts_cover_their_range_and_stay_inside() -> None:
    pairs = FramePairs(footage(5, 30, (3, 6)), 16, 8)
    seen = set()
    for seed in range(400):
        sample = pairs.draw(0, seed)
        first, second = (round(float(image.mean()) * 255) for image in sample["images"])
        assert 5 <= first < second <= 29
        seen.add(second - first)
        assert round(float(sample["now"].mean()) * 255) == first
        assert round(float(sample["following"].mean()) * 255) == second
    assert seen == {3, 4, 5, 6}
    assert "depth" not in sample


def test_a_short_take_has_its_longest_gap_and_a_shorter_one_is_left_out() -> None:
    sample = FramePairs(footage(0, 5, (3, 20)), 16, 8).draw(0, 1)
    first, second = (round(float(image.mean()) * 255) for image in sample["images"])
    assert 3 <= second - first <= 4
    assert len(FramePairs(footage(0, 3, (3, 20)), 16, 8)) == 0


def test_variations_are_the_same_for_both_pictures_and_both_models(tmp_path: Path) -> None:
    store = StoreFootage(square_store(tmp_path), PairConfig(gap=(0.1, 0.1)), held_out=False)
    plain = FramePairs(store, 32, 32)
    varied = FramePairs(store, 32, 32, Variation(crop=0.7, mirror=True, reverse=True))
    backwards = mirrored = 0
    for seed in range(40):
        one, other = plain.draw(0, seed), varied.draw(0, seed)
        assert torch.equal(other["images"][0], other["now"])
        assert torch.equal(other["images"][1], other["following"])
        assert other["depth"].shape == (2, 32, 32)
        # The square stands out in the picture and in depth at the same place.
        for image, near in zip(other["images"], other["depth"], strict=True):
            square = image[0] > 0.6
            assert near[square].mean() > near[~square].mean() + 0.1
        places = [float((image[0] > 0.6).float().sum(0).argmax()) for image in one["images"]]
        assert places[0] != places[1]
        here = [float((image[0] > 0.6).float().sum(0).argmax()) for image in other["images"]]
        backwards += (here[1] > here[0]) != (places[1] > places[0])
        mirrored += bool(abs(here[0] - places[0]) > 8)
    assert 8 < backwards < 32


def test_jitter_changes_colours_alike_in_both_pictures() -> None:
    images = torch.rand(3, 1, 3, 4, 4).expand(3, 2, 3, 4, 4).contiguous() * 0.5 + 0.2
    changed = jitter(images, 0.3, torch.Generator().manual_seed(0))
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert not torch.allclose(changed, images)
    assert torch.allclose(jitter(images, 0.0, torch.Generator()), images, atol=1e-6)


def test_a_fixed_batch_is_the_same_each_time_and_shuffling_moves_all_but_few() -> None:
    pairs = FramePairs(footage(0, 30, (3, 6)), 16, 8)
    assert torch.equal(fixed_batch(pairs, 4)["images"], fixed_batch(pairs, 4)["images"])
    z = torch.arange(48.0)[:, None]
    assert sorted(shuffled(z).flatten().tolist()) == z.flatten().tolist()
    assert (shuffled(z) == z).float().mean() < 0.1


def test_parts_of_a_folder_of_videos(tmp_path: Path) -> None:
    for name in ("a", "sub/b", "c"):
        video(tmp_path / f"{name}.mp4")
    config = PairConfig("videos", str(tmp_path), gap=(0.2, 0.4))
    train, held_out = (video_footage(config, part) for part in (False, True))
    assert [piece.name for piece in train.pieces] == ["a", "c"]
    assert [piece.name for piece in held_out.pieces] == ["b"]
    assert train.pieces[0] == Piece("a", 0, 12, (2, 4))
    rgb, depth = train.frames(0, (2, 7))
    assert depth is None
    assert np.abs(rgb.mean((1, 2, 3)) - [40, 140]).max() < 6
    assert len(read_video(tmp_path / "a.mp4")) == 12
    assert keep_part(list(range(20)), True) == [9, 19]
    with pytest.raises(UserError, match="no video there"):
        video_footage(replace(config, path=str(tmp_path / "none")), False)
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"bad\.mp4: cannot be read as a video"):
        read_video(tmp_path / "bad.mp4")


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "libx264"), (".mov", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4"), (".webm", "libvpx")],
)
def test_videos_of_every_suffix_can_be_read(tmp_path: Path, suffix: str, codec: str) -> None:
    path = video(tmp_path / f"a{suffix}", codec=codec)
    assert video_facts(path) == (12, 10.0)
    assert np.abs(read_video(path, (2, 7)).mean((1, 2, 3)) - [40, 140]).max() < 6
    small = read_video(path, side=16)
    assert (small.shape, small.dtype) == ((12, 16, 16, 3), np.uint8)
    assert np.abs(small.mean((1, 2, 3)) - 20 * np.arange(12)).max() < 8


def test_no_suffix_of_a_video_is_left_out_above() -> None:
    assert VIDEO_SUFFIXES == (".mp4", ".mov", ".avi", ".mkv", ".webm")


def test_paths_of_one_kind_are_joined(tmp_path: Path) -> None:
    for name, frames in (("one", 8), ("two", 12)):
        for take in "ab":
            video(tmp_path / name / f"{take}.mp4", frames)
    config = PairConfig("videos", f"{tmp_path / 'one'}:{tmp_path / 'two'}", gap=(0.2, 0.4))
    train = open_footage(config, False)
    assert [(piece.name, piece.last) for piece in train.pieces] == [("a", 8), ("a", 12)]
    assert abs(train.frames(1, (11,))[0].mean() - 220) < 6
    assert [piece.name for piece in open_footage(config, True).pieces] == ["b", "b"]


def test_a_store_is_chosen_from_by_embodiment(tmp_path: Path) -> None:
    square_store(tmp_path)
    config = PairConfig("store", str(tmp_path), gap=(0.1, 0.2))
    assert open_footage(config, False).pieces[0].gap == (3, 6)
    assert len(open_footage(config, False).pieces) == 4
    assert len(open_footage(config, True).pieces) == 2
    for wrong in ({"embodiments": ("B",)}, {"colours": ("random",)}):
        with pytest.raises(UserError, match="no film of those asked for; there is A in own colours"):
            open_footage(replace(config, **wrong), False)
