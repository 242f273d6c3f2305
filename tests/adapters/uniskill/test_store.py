"""The store of rendered clips."""

import json
from pathlib import Path

import numpy as np
import pytest

from hoigym.adapters.uniskill.footage import split
from hoigym.adapters.uniskill.store import Rendering, RenderStore, StoreError, StoreFacts, disparity

FACTS = StoreFacts(size=16, stride=2, library_hash="abc")


def rendering(name: str = "a", clip: str = "clip", skill: int = 1, frames: int = 10) -> Rendering:
    return Rendering(
        name=name,
        clip=clip,
        skill=skill,
        fps=30.0,
        num_frames=frames,
        first_row=0,
        num_rows=2 * frames,
        embodiment="A",
        colours="own",
        view="usual",
        variant=0,
        seed=0,
    )


def pictures(frames: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, 16, 16, 3), dtype=np.uint8), rng.uniform(1, 9, (frames, 16, 16))


def test_what_is_added_is_found_again(tmp_path: Path):
    rgb, depth = pictures()
    store = RenderStore.open_or_create(tmp_path, FACTS)
    store.add(rendering(), rgb, depth)
    again = RenderStore.open(tmp_path)
    assert again.facts == FACTS
    assert again.renderings == (rendering(),)
    assert "a" in again
    assert "b" not in again
    np.testing.assert_array_equal(again.rgb(rendering()), rgb)
    np.testing.assert_allclose(again.depth(rendering()), depth, rtol=1e-3)
    assert isinstance(again.rgb(rendering()), np.memmap)


def test_an_interrupted_rendering_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = RenderStore.open_or_create(tmp_path, FACTS)
    store.add(rendering(), *pictures())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(StoreError, match="No space left"):
        store.add(rendering("b"), *pictures())
    assert RenderStore.open(tmp_path).renderings == store.renderings == (rendering(),)
    assert sorted(path.name for path in (tmp_path / "renderings").iterdir()) == ["a.depth.npy", "a.rgb.npy"]


def test_a_store_of_other_clips_or_sizes_is_refused(tmp_path: Path):
    RenderStore.open_or_create(tmp_path, FACTS).add(rendering(), *pictures())
    with pytest.raises(StoreError, match="other clips"):
        RenderStore.open_or_create(tmp_path, StoreFacts(16, 2, "xyz"))
    with pytest.raises(StoreError, match="size 16, not 64"):
        RenderStore.open_or_create(tmp_path, StoreFacts(64, 2, "abc"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not an index"),
        ('{"format_version": 9}', "version 9"),
        (json.dumps({"format_version": 1}), "not an index"),
    ],
)
def test_a_broken_index_is_one_clear_line(tmp_path: Path, text: str, problem: str):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(StoreError, match=problem):
        RenderStore.open(tmp_path)


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="uniskill render"):
        RenderStore.open(tmp_path)


def test_arrays_of_another_shape_are_refused(tmp_path: Path):
    rgb, depth = pictures()
    with pytest.raises(ValueError, match="expected uint8"):
        RenderStore.open_or_create(tmp_path, FACTS).add(rendering(), rgb[1:], depth)


def test_disparity_is_large_near_and_cut_far():
    np.testing.assert_allclose(disparity(np.array([[2.0, 4.0, 40.0]]), farthest=20.0), [[0.5, 0.25, 0.05]])


def test_every_clip_is_learned_from_or_held_out_in_all_its_renderings():
    many = [rendering(f"{clip}-{look}", clip, 1) for clip in "abcde" for look in range(2)]
    one = [rendering(f"z-{look}", "z", 2, frames=20) for look in range(2)]
    train, held_out = split([*many, *one], "train"), split([*many, *one], "held_out")
    assert {span.rendering.clip for span in train} == {"a", "b", "d", "e", "z"}
    assert {span.rendering.clip for span in held_out} == {"c", "z"}
    spans = {(span.first, span.last) for span in train if span.rendering.clip == "z"}
    assert spans == {(0, 13)}
    assert {(span.first, span.last) for span in held_out if span.rendering.clip == "z"} == {(13, 20)}
    assert len(train) == 10
    assert {(span.first, span.last) for span in split(many, "all")} == {(0, 10)}


def test_of_two_clips_one_is_held_out():
    two = [rendering(clip, clip) for clip in "ab"]
    assert [span.rendering.clip for span in split(two, "held_out")] == ["b"]
