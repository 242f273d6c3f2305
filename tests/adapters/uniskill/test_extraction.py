from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from hoigym.adapters.uniskill.depth import DepthEstimator, DepthInput
from hoigym.adapters.uniskill.extraction import (
    Extractor,
    SkillCache,
    frame_pairs,
    per_row,
    table_of_store,
    table_of_video,
)
from hoigym.adapters.uniskill.isd import InverseDynamics, IsdConfig
from hoigym.adapters.uniskill.store import Rendering, RenderStore, StoreError, StoreFacts, disparity
from hoigym.conditioners.table import load_table, save_table
from hoigym.core.errors import UserError
from tests.adapters.uniskill.oracles import CLOSE, apart, arrays, far

SMALL = IsdConfig(layers=2, heads=2, width=32, skill_dim=8, context_dim=16, resolution=64)


class StubNetwork:
    """The oracle's depth network: a mix of the colours and a ramp over columns."""

    def __call__(self, pixels: Tensor) -> SimpleNamespace:
        ramp = torch.linspace(0, 1, pixels.shape[-1])
        return SimpleNamespace(predicted_depth=0.5 * pixels[:, 0] - 0.25 * pixels[:, 1] + 1.5 * pixels[:, 2] + ramp)


def estimator() -> DepthEstimator:
    return DepthEstimator(DepthInput(side=56), StubNetwork(), batch_size=4)


def small_isd() -> InverseDynamics:
    torch.manual_seed(0)
    return InverseDynamics(SMALL).eval()


def test_the_depth_networks_input_right_and_as_released(shared: Path) -> None:
    io = arrays(shared, "extract_small_io")
    frames = io["frames"].numpy()[:2]
    prepare = DepthInput(side=56)
    assert apart(prepare(frames), io["pixel_values_rescaled"]) < CLOSE
    released = prepare(frames, rescale=False)
    assert apart(released, io["pixel_values_script"]) < CLOSE
    assert released.max() > 1000


@pytest.mark.parametrize("interval", [1, 3])
def test_as_released_gives_the_released_scripts_z(shared: Path, interval: int) -> None:
    io = arrays(shared, "extract_small_io")
    isd = InverseDynamics(SMALL)
    isd.load_state_dict(arrays(shared, "isd_small_weights"))
    extractor = Extractor(isd.eval(), "", interval / 10, estimator(), batch_size=4, as_released=True)
    z = extractor(io["frames"].numpy(), None, fps=10.0)
    assert apart(z[:, None], io[f"z_interval{interval}"]) < CLOSE
    right = Extractor(isd, "", interval / 10, estimator())(io["frames"].numpy(), None, fps=10.0)
    assert right.shape == (9, 8)
    assert far(right[: len(z)], z) > 1e-3


def test_pairs_at_the_end() -> None:
    assert [t.tolist() for t in frame_pairs(5, 3, padded=True)] == [[0, 1, 2, 3], [3, 4, 4, 4]]
    assert [t.tolist() for t in frame_pairs(5, 3, padded=False)] == [[0, 1], [3, 4]]
    assert len(frame_pairs(3, 3, padded=False)[0]) == 0


def test_a_frame_looked_at_once_gives_what_the_pair_gives() -> None:
    isd, random = small_isd(), np.random.default_rng(0)
    rgb = random.integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    depth = random.random((6, 64, 64), dtype=np.float32)
    z = Extractor(isd, "", 0.2, batch_size=4)(rgb, depth, fps=10.0)
    images = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    near = torch.from_numpy(depth)
    for first, second in ((0, 2), (3, 5), (4, 5)):
        pair = isd.skill(near[None, [first, second]], images[None, [first, second]], 1e-6)
        assert apart(z[first], pair[0]) < CLOSE
    assert torch.equal(z[5], z[4])


def test_rows_between_pictures() -> None:
    z = torch.tensor([[0.0], [2.0], [4.0]])
    assert per_row(z, 6, 2).flatten().tolist() == [0, 1, 2, 3, 4, 4]
    assert per_row(z, 3, 1).flatten().tolist() == [0, 2, 4]


def make_store(folder: Path, looks: dict[str, tuple[str, ...]]) -> RenderStore:
    """Two clips of 9 and 6 rows, every second one a picture; looks: embodiment -> clips that it shows."""
    store = RenderStore.open_or_create(folder, StoreFacts(size=64, stride=2, library_hash="abc"))
    random = np.random.default_rng(1)
    for embodiment, clips in looks.items():
        for clip in clips:
            first, rows = (0, 9) if clip == "walk" else (9, 6)
            count = (rows + 1) // 2
            rendering = Rendering(
                f"{clip}_{embodiment}", clip, 1, 30.0, count, first, rows, embodiment, "own", "usual", 0, 0
            )
            rgb = random.integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)
            store.add(rendering, rgb, 1 + random.random((count, 64, 64)))
    return store


def test_a_table_of_a_store_and_its_cache(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", {"A": ("walk", "run"), "B": ("walk", "run"), "C": ("walk",)})
    extractor = Extractor(small_isd(), "w1", gap=0.1)
    cache = SkillCache(tmp_path / "cache")
    table = table_of_store(store, store.renderings, extractor, cache)
    assert table.values.shape == (2, 15, 8)
    assert (table.fps, table.library_hash) == (60.0, "abc")
    one = store.renderings[1]
    z = extractor(store.rgb(one), disparity(store.depth(one)), 30.0)
    assert torch.equal(table.values[0, [9, 11, 13]], z)
    assert cache.hits == 0

    again = SkillCache(tmp_path / "cache")
    assert torch.equal(table_of_store(store, store.renderings, extractor, again).values, table.values)
    assert again.hits == 4
    other = SkillCache(tmp_path / "cache")
    table_of_store(store, store.renderings, Extractor(extractor.isd, "w2", gap=0.1), other)
    assert other.hits == 0
    save_table(table, tmp_path / "z.npz")
    assert far(load_table(tmp_path / "z.npz").values, table.values) < 1e-2


def test_a_broken_file_of_the_cache_is_made_anew(tmp_path: Path) -> None:
    rgb, depth = np.zeros((4, 64, 64, 3), np.uint8), np.random.default_rng(0).random((4, 64, 64))
    extractor = Extractor(small_isd(), "", 0.1)
    z = SkillCache(tmp_path).get(extractor, rgb, depth, 10.0)
    for path in tmp_path.iterdir():
        path.write_bytes(b"PK\x03\x04 broken")
    for hits in (0, 1):
        cache = SkillCache(tmp_path)
        assert torch.equal(cache.get(extractor, rgb, depth, 10.0), z)
        assert cache.hits == hits


def test_a_film_that_is_too_short_for_a_pair_is_one_line() -> None:
    rgb, depth = np.zeros((2, 64, 64, 3), np.uint8), np.ones((2, 64, 64))
    for as_released, frames in ((False, 1), (True, 2)):
        extractor = Extractor(small_isd(), "", 0.2, estimator(), as_released=as_released)
        with pytest.raises(UserError, match=f"{frames} pictures at 10 a second are too few for a pair 0.2 s apart"):
            extractor(rgb[:frames], depth[:frames], fps=10.0)


def test_a_store_that_misses_a_clip_is_one_line(tmp_path: Path) -> None:
    store = make_store(tmp_path, {"A": ("walk",), "B": ("run",)})
    with pytest.raises(StoreError, match="no chosen look was rendered of all 2 clips"):
        table_of_store(store, store.renderings, Extractor(small_isd(), "", 0.1), SkillCache(None))


def test_a_prompt_belongs_to_no_library() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (5, 48, 80, 3), dtype=np.uint8)
    extractor = Extractor(small_isd(), "", 0.1, estimator())
    table = table_of_video(rgb, None, 25.0, extractor, SkillCache(None))
    assert table.values.shape == (1, 5, 8)
    assert (table.fps, table.library_hash) == (25.0, "")
