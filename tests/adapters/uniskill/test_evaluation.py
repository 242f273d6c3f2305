"""The evaluation of z, on motions whose answers are known."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.adapters.uniskill.evaluation import (
    QUERIES,
    Trained,
    evaluate,
    forward_errors,
    knn_accuracy,
    linear_probe,
    motion_targets,
    principal,
)
from hoigym.adapters.uniskill.evaluation_report import markdown, write_report
from hoigym.adapters.uniskill.forward import ForwardConfig
from hoigym.adapters.uniskill.isd import IsdConfig
from hoigym.adapters.uniskill.model import UniSkill
from hoigym.adapters.uniskill.pairs import PairSet, pair_set
from hoigym.adapters.uniskill.store import Rendering, RenderStore, StoreError, StoreFacts
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary

SIZE = 32
ISD = IsdConfig(layers=1, heads=2, width=16, skill_dim=8, context_dim=8, resolution=SIZE, trunk="small")


def tiny_model(seed: int = 0) -> UniSkill:
    torch.manual_seed(seed)
    return UniSkill(ISD, ForwardConfig("regression", SIZE, 8)).eval().requires_grad_(False)


def picture(frame: int, skill: int) -> np.ndarray:
    """A square that moves to the right (skill 1), down (13) or both at once (14)."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    place = 2 + frame % 20
    row, column = {1: (12, place), 13: (place, 12), 14: (place, place)}[skill]
    image[row : row + 6, column : column + 6] = 255
    return image


def make_store(folder: Path, clips: list[Clip], looks: tuple[str, ...]) -> RenderStore:
    library = MotionLibrary(clips)
    store = RenderStore.open_or_create(folder, StoreFacts(SIZE, 4, library.content_hash))
    for index, clip in enumerate(clips):
        rgb = np.stack([picture(frame, clip.skill) for frame in range(-(-clip.num_frames // 4))])
        for look in looks:
            rendering = Rendering(
                name=f"{index:03d}_{look.replace('/', '_') if '/' in look else look + '_0'}",
                clip=clip.name,
                skill=clip.skill,
                fps=clip.fps / 4,
                num_frames=len(rgb),
                first_row=int(library.clip_start[index]),
                num_rows=clip.num_frames,
                embodiment=look[0],
                colours="own",
                view="usual",
                variant=0,
                seed=0,
            )
            store.add(rendering, rgb, 5.0 - rgb[..., 0] / 255.0)
    return store


@pytest.fixture(scope="module")
def clips(demo_clips: dict[str, Clip]) -> list[Clip]:
    return [demo_clips[name] for name in ("001_demo_pickup_4", "013_demo_dribble_walk_3", "014_demo_dribble_spot_2")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip]) -> RenderStore:
    return make_store(tmp_path_factory.mktemp("store"), clips, tuple(QUERIES))


def test_nearest_neighbours_vote_and_skills_count_alike():
    gallery = torch.tensor([[0.0], [0.1], [0.2], [0.3], [0.4], [5.0], [5.1], [5.2], [5.3], [5.4]])
    skill = torch.tensor([3] * 5 + [7] * 5)
    queries = torch.tensor([[0.2], [0.1], [0.3], [0.0], [5.2]])
    truth = torch.tensor([3, 3, 3, 3, 3])
    assert knn_accuracy(gallery, skill, queries, truth, standardise=True) == pytest.approx(0.8)
    # Of skill 7 all are right, of skill 3 half: the mean over skills, not over queries.
    truth = torch.tensor([3, 7, 7, 7, 7])
    assert knn_accuracy(gallery, skill, queries, truth, standardise=False) == pytest.approx((1.0 + 0.25) / 2)


def test_of_equal_votes_the_nearest_decides():
    gallery, skill = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([1, 0, 0, 1])
    assert knn_accuracy(gallery, skill, torch.tensor([[-0.1]]), torch.tensor([1]), standardise=False) == 1.0
    assert knn_accuracy(gallery, skill, torch.tensor([[1.1]]), torch.tensor([0]), standardise=False) == 1.0
    # The nearest of all is alone, the next ones are not.
    gallery, skill = torch.arange(5.0)[:, None], torch.tensor([2, 1, 0, 0, 1])
    assert knn_accuracy(gallery, skill, torch.tensor([[-0.1]]), torch.tensor([1]), standardise=False) == 1.0


def test_a_dimension_with_large_numbers_does_not_win_when_standardised():
    generator = torch.Generator().manual_seed(0)
    skill = torch.arange(200) % 2
    informative = skill[:, None] * 2.0 + 0.1 * torch.randn(200, 1, generator=generator)
    noise = 1000 * torch.randn(200, 1, generator=generator)
    vectors = torch.cat((informative, noise), 1)
    halves = vectors[:100], skill[:100], vectors[100:], skill[100:]
    assert knn_accuracy(*halves, standardise=True) > 0.95
    assert knn_accuracy(*halves, standardise=False) < 0.7


def test_a_probe_reads_what_is_there_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(400, 6, generator=generator)
    told = vectors @ torch.randn(6, 2, generator=generator) + 3.0
    unrelated = torch.randn(400, 2, generator=generator)
    assert linear_probe(vectors[:200], told[:200], vectors[200:], told[200:]) > 0.99
    assert linear_probe(vectors[:200], unrelated[:200], vectors[200:], unrelated[200:]) < 0.05


def test_motion_between_two_frames_is_that_of_the_clip(demo_clips: dict[str, Clip]):
    clip = demo_clips["010_demo_walk_1"]
    library = MotionLibrary([clip])
    rows = torch.tensor([[60, 90]])
    moved = motion_targets(library, rows)
    way = np.linalg.norm(clip.root_pos[90, :2] - clip.root_pos[60, :2]) / 0.5
    assert float(moved["root_velocity"].norm()) == pytest.approx(way, rel=1e-4)
    # Straight ahead: along x of the heading frame.
    assert float(moved["root_velocity"][0].abs().max()) == pytest.approx(way, rel=0.1)
    assert abs(float(moved["heading_change"])) < 0.2
    assert float(moved["contact"]) == 0.0
    dribble = demo_clips["014_demo_dribble_spot_2"]
    held = motion_targets(MotionLibrary([dribble]), torch.tensor([[0, dribble.num_frames - 1]]))["contact"]
    assert float(held) == pytest.approx(float(dribble.contact.mean()), abs=1e-5)


def test_principal_components_keep_the_variance():
    generator = torch.Generator().manual_seed(0)
    plane = (torch.randn(50, 2, generator=generator) @ torch.randn(2, 300, generator=generator)).double() + 5.0
    projected = principal(2, plane)(plane)
    distances = torch.cdist(plane, plane)
    torch.testing.assert_close(torch.cdist(projected, projected), distances, rtol=1e-6, atol=1e-5)


def test_pairs_are_evenly_spaced_and_named_by_library_rows(store: RenderStore, clips: list[Clip]):
    pairs = pair_set(store, "A", "all", gap=0.4, every=3)
    assert pairs.images.shape[1:] == (2, 3, SIZE, SIZE)
    assert float(pairs.depth.amax((2, 3)).min()) == pytest.approx(1.0, abs=1e-3)
    # 15 pictures a second: the pair is 6 of them apart, so 24 library rows.
    assert torch.equal(pairs.rows[:, 1] - pairs.rows[:, 0], torch.full((len(pairs),), 24))
    assert torch.equal(pairs.rows[:2, 0], torch.tensor([0, 12]))
    first = clips[1].num_frames
    library = MotionLibrary(clips)
    start = int(library.clip_start[1])
    assert ((pairs.rows[pairs.clip == 1] >= start) & (pairs.rows[pairs.clip == 1] < start + first)).all()
    shown = torch.from_numpy(picture(9, 1)).permute(2, 0, 1) / 255
    assert torch.equal(pairs.images[1, 1], shown)
    train, test = (pair_set(store, "A", part, gap=0.4) for part in ("train", "held_out"))
    assert not set(train.rows.flatten().tolist()) & set(test.rows.flatten().tolist())
    # However short the gap, a pair is two pictures.
    close = pair_set(store, "A", "all", gap=0.01)
    assert torch.equal(close.rows[:, 1] - close.rows[:, 0], torch.full((len(close),), 4))
    with pytest.raises(StoreError, match="look 'D'"):
        pair_set(store, "D", "all", gap=0.4)


def test_a_balanced_set_has_at_most_so_many_of_each_skill(store: RenderStore):
    pairs = pair_set(store, "A", "all", gap=0.4, every=1)
    some = pairs.balanced(10)
    assert [int((some.skill == skill).sum()) for skill in some.skill.unique()] == [10, 10, 10]


def test_copying_has_error_one_and_strangers_are_of_another_skill(store: RenderStore):
    pairs: PairSet = pair_set(store, "A", "all", gap=0.4)
    model = tiny_model()
    for parameter in model.forward_model.get_submodule("end").parameters():
        parameter.zero_()
    errors = forward_errors(model, pairs, SIZE, torch.zeros(8))
    assert set(errors) == {"right", "shuffled", "mean", "zero"}
    assert all(value == pytest.approx(1.0) for value in errors.values())


def test_the_report_has_every_baseline_and_is_written(store: RenderStore, clips: list[Clip], tmp_path: Path):
    library = MotionLibrary(clips)
    models = {"ISD": [Trained(tiny_model(seed), SIZE) for seed in (1, 2)]}
    report = evaluate(store, library, models, gap=0.4)
    assert [row.name for row in report.rows] == [
        "true motion (ceiling)",
        "raw RGB, PCA 32",
        "raw disparity, PCA 32",
        "ISD, untrained",
        "ISD",
    ]
    assert [len(row.accuracy["A"]) for row in report.rows] == [1, 1, 1, 2, 2]
    by_name = {row.name: row for row in report.rows}
    # No two skills share a way, so pixels must tell them all apart, in every look alike. The closest vote is three of
    # five, and a stranger is 4 % farther than the third: no rounding turns it.
    assert by_name["raw RGB, PCA 32"].accuracy["A"] == by_name["raw RGB, PCA 32"].accuracy["C"]
    assert by_name["raw RGB, PCA 32"].accuracy["A"] == [1.0]
    assert set(by_name["ISD"].forward["C"]) == {"right", "shuffled", "mean", "zero"}
    assert not by_name["ISD, untrained"].forward
    paths = write_report(report, tmp_path)
    assert [path.name for path in paths] == ["report.json", "report.md", "report.png"]
    assert json.loads(paths[0].read_text())["gap"] == 0.4
    assert all(math.isfinite(value) for row in report.rows for some in row.accuracy.values() for value in some)
    assert "raw disparity" in markdown(report)
    assert "all 3 skills (chance .33)" in markdown(report)
    assert "all 1 skills (chance 1.00)" in markdown(replace(report, skills=(1,)))


def test_a_store_of_other_clips_is_refused(store: RenderStore, clips: list[Clip]):
    with pytest.raises(StoreError, match="other clips"):
        evaluate(store, MotionLibrary(clips[:2]), {"ISD": [Trained(tiny_model(), SIZE)]})
