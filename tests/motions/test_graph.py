"""The trajectory graph in use: look-up, sampling, files."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hoigym.motions.graph import GraphError, TrajectoryGraph
from hoigym.motions.graph_build import build_graph
from hoigym.motions.library import MotionLibrary
from tests.motions.clips import random_clip
from tests.motions.graph_clips import SETTINGS, WITHIN, skill_clips


def small_graph() -> TrajectoryGraph:
    """Two clips of 4 frames; frame 0 of clip 0 has three links, frame 1 two, the others none."""
    target_clip = torch.full((8, 3), -1)
    target_frame = torch.full((8, 3), -1)
    similarity = torch.zeros(8, 3)
    target_clip[0] = target_clip[1, :2] = 1
    target_frame[0] = torch.tensor([0, 1, 2])
    target_frame[1, :2] = torch.tensor([3, 1])
    similarity[0] = torch.tensor([0.5, 0.25, 0.125])
    similarity[1, :2] = torch.tensor([0.0625, 0.03125])
    return TrajectoryGraph(
        content_hash="0" * 64,
        settings=SETTINGS,
        clip_names=("a", "b"),
        clip_skill=torch.tensor([1, 2]),
        clip_length=torch.tensor([4, 4]),
        target_clip=target_clip,
        target_frame=target_frame,
        similarity=similarity,
    )


def test_links_of_any_batch() -> None:
    graph = small_graph()
    clip = torch.tensor([[0, 0], [1, 0]])
    frame = torch.tensor([[1, 0], [0, 0]])
    links = graph.links(clip, frame)
    assert links.clip.tolist() == [[[1, 1, -1], [1, 1, 1]], [[-1, -1, -1], [1, 1, 1]]]
    assert links.frame[0, 0].tolist() == [3, 1, -1]
    assert links.similarity[0, 0].tolist() == [0.0625, 0.03125, 0.0]
    assert graph.num_links == 5


def test_frames_are_clamped_into_their_clip() -> None:
    graph = small_graph()
    assert graph.links(torch.tensor(0), torch.tensor([-5, 9])).frame.tolist() == [[0, 1, 2], [-1, -1, -1]]


def test_sampling_is_uniform_among_the_links_of_a_frame() -> None:
    graph = small_graph()
    clip, frame = torch.zeros(2, 30000, dtype=torch.long), torch.tensor([[0], [1]]).expand(2, 30000)
    drawn = graph.sample(clip, frame, torch.Generator().manual_seed(0))
    for row, frames in enumerate(([0, 1, 2], [3, 1])):
        shares = torch.tensor([(drawn.frame[row] == frame).double().mean() for frame in frames])
        assert shares.sum() == pytest.approx(1.0)
        assert (shares - 1 / len(frames)).abs().max() < 0.015
    assert (drawn.clip == 1).all()
    by_frame = {0: 0.5, 1: 0.25, 2: 0.125}
    assert all(by_frame[f] == s for f, s in zip(drawn.frame[0].tolist(), drawn.similarity[0].tolist(), strict=True))


def test_sampling_a_frame_without_links() -> None:
    drawn = small_graph().sample(torch.tensor([1, 0]), torch.tensor([2, 0]), torch.Generator().manual_seed(0))
    assert (drawn.clip[0], drawn.frame[0], drawn.similarity[0]) == (-1, -1, 0)
    assert drawn.clip[1] == 1


def test_generator_decides_the_sample() -> None:
    graph = build_graph(skill_clips(), SETTINGS)
    clip, frame = torch.zeros(200, dtype=torch.long), torch.arange(200) % 9
    once, again, other = (graph.sample(clip, frame, torch.Generator().manual_seed(seed)).clip for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


@pytest.mark.parametrize("settings", [SETTINGS, WITHIN])
def test_file_keeps_everything(tmp_path: Path, settings) -> None:
    graph = build_graph(skill_clips(), settings)
    graph.save(tmp_path / "graph.npz")
    loaded = TrajectoryGraph.load(tmp_path / "graph.npz")
    for name, value in vars(graph).items():
        other = getattr(loaded, name)
        same = torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other
        assert same, name
    assert list(tmp_path.iterdir()) == [tmp_path / "graph.npz"]


def test_accepts_its_clips_only() -> None:
    clips = skill_clips()
    graph = build_graph(clips, SETTINGS)
    graph.require(MotionLibrary(clips))
    nudged = dataclasses.replace(clips[1], joint_rot=clips[1].joint_rot + np.float32(1e-4))
    for others, message in (
        (clips[:4], "built from 5 clips, 4 are loaded"),
        (clips[::-1], "other lengths or in another order"),
        ([clips[0], nudged, *clips[2:]], "clips of other content"),
    ):
        with pytest.raises(GraphError, match=message) as caught:
            graph.require(MotionLibrary(others))
        assert "\n" not in str(caught.value)
        assert "graph build" in str(caught.value)


def changed_file(path: Path, **changes: Any) -> Path:
    """A valid graph file with some entries replaced; None removes one."""
    small_graph().save(path)
    with np.load(path) as archive:
        entries = {**{name: archive[name] for name in archive.files}, **changes}
    np.savez(path, **{name: value for name, value in entries.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"similarity": None}, "no valid entry 'similarity'"),
        ({"target_clip": np.zeros((8, 3))}, "no valid entry 'target_clip'"),
        ({"format_version": np.array(99)}, "graph format 99; expected 1"),
        ({"clip_skill": np.array([1], np.int32)}, "skills and lengths of different numbers of clips"),
        ({"similarity": np.zeros((7, 3), np.float32)}, "another number of frames"),
        ({"target_clip": np.full((8, 3), 2, np.int32)}, "clips that it does not have"),
        ({"target_frame": np.full((8, 3), 4, np.int32)}, "frames that its clips do not have"),
        ({"settings": np.array("{}")}, "settings that this version does not know"),
        ({"settings": np.array("none")}, "settings that this version does not know"),
        ({"similarity": np.array([[None] * 3] * 8)}, "truncated or not a trajectory graph"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = changed_file(tmp_path / "graph.npz", **changes)
    with pytest.raises(GraphError, match=message) as caught:
        TrajectoryGraph.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_truncated_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no such file; build it"):
        TrajectoryGraph.load(tmp_path / "none.npz")
    with pytest.raises(GraphError, match="cannot be read"):
        TrajectoryGraph.load(tmp_path)
    small_graph().save(tmp_path / "graph.npz")
    whole = (tmp_path / "graph.npz").read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "graph.npz").write_bytes(whole[:size])
        with pytest.raises(GraphError, match="truncated or not a trajectory graph"):
            TrajectoryGraph.load(tmp_path / "graph.npz")


def test_unwritable_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="expected .npz"):
        small_graph().save(tmp_path / "graph.pkl")
    with pytest.raises(GraphError, match="cannot be written"):
        small_graph().save(tmp_path / "nowhere" / "graph.npz")


def test_a_clip_is_no_graph(tmp_path: Path) -> None:
    from hoigym.motions.formats import save_clip

    save_clip(random_clip(), tmp_path / "007_clip.npz")
    with pytest.raises(GraphError, match="no valid entry 'content_hash'"):
        TrajectoryGraph.load(tmp_path / "007_clip.npz")
