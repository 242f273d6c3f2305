"""Building the trajectory graph: the published one, the straightforward loop, and what may be linked."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hoigym.benchmarks.graph_build import Loop
from hoigym.motions.clip import Clip
from hoigym.motions.formats import load_clips
from hoigym.motions.graph import GraphError, GraphSettings, TrajectoryGraph
from hoigym.motions.graph_build import build_graph, published_settings
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import exp_to_quat, quat_from_yaw, quat_mul, quat_rotate, quat_to_exp
from hoigym.motions.similarity import SimilarityWeights
from tests.motions.clips import blanked, random_clip
from tests.motions.graph_clips import SETTINGS, WITHIN, skill_clips


def entries(graph: TrajectoryGraph) -> dict[tuple[int, int, int], tuple[int, int, float]]:
    """(clip, frame, skill of the target) -> (clip, frame, similarity); a frame has one link to a skill."""
    found = {}
    for row, clip in enumerate(graph.frame_clip.tolist()):
        frame = row - int(graph.clip_start[clip])
        links = zip(
            graph.target_clip[row].tolist(),
            graph.target_frame[row].tolist(),
            graph.similarity[row].tolist(),
            strict=True,
        )
        for target, where, similarity in links:
            if similarity:
                key = (clip, frame, int(graph.clip_skill[target]))
                assert key not in found
                found[key] = (target, where, similarity)
    return found


def assert_equal_links(found: dict, expected: dict) -> None:
    assert {key: value[:2] for key, value in found.items()} == {key: value[:2] for key, value in expected.items()}
    for key, value in expected.items():
        assert found[key][2] == pytest.approx(value[2], rel=1e-5)


def test_published_graph_of_ball_play(shared) -> None:
    """All 3,184 entries of the released graph, from the positions stored in the clips."""
    clips = load_clips(shared / "motions" / "BallPlay")
    found = entries(build_graph(clips, published_settings("mocap", body_positions="stored")))
    with np.load(shared / "graphs" / "ballplay.npz") as archive:
        published = {name: archive[name].tolist() for name in archive.files}
    assert len(published["similarity"]) == 3184
    without = 0
    for number, similarity in enumerate(published["similarity"]):
        key = tuple(published[name][number] for name in ("source_clip", "source_frame", "target_skill"))
        if similarity == 0:
            assert key not in found
            without += 1
            continue
        clip, frame, ours = found[key]
        assert (clip, frame) == (published["target_clip"][number], published["target_frame"][number])
        assert abs(ours - similarity) <= 1e-4 * similarity
    assert without == 13
    assert len(found) == 3184 - 13


def test_published_graph_of_locomotion(shared) -> None:
    """Three entries and the number of frames without a link, under the weights that graph was built with."""
    weights = SimilarityWeights(key_pos=15.0, key_vel=0.1, joint_rot=15.0, root_height=30.0)
    settings = dataclasses.replace(published_settings("mocap", body_positions="stored"), objectless_weights=weights)
    graph = build_graph(load_clips(shared / "motions" / "Locomotion"), settings)
    found = entries(graph)
    assert found[0, 141, 10] == (3, 4, pytest.approx(6.2543e-3, rel=1e-4))
    assert found[3, 20, 0] == (10, 147, pytest.approx(2.5998e-2, rel=1e-4))
    assert (5, 60, 10) not in found
    assert (len(graph.similarity), len(found)) == (2162, 2162 - 223)


@pytest.mark.parametrize("memory", [1, 2**28])
def test_finds_what_the_straightforward_loop_finds(memory: int) -> None:
    clips = skill_clips()
    clips[2] = blanked(clips[2], [0, 4, 5])
    graph = build_graph(clips, SETTINGS, memory=memory)
    expected = Loop(MotionLibrary(clips), SETTINGS).links()
    assert len(expected) == 55 * 3 - 3 * 3
    assert_equal_links(entries(graph), expected)


def test_links_of_a_frame_come_first_and_in_the_order_of_skills() -> None:
    graph = build_graph(skill_clips(), SETTINGS)
    assert graph.target_clip.shape == (55, 3)
    skills = graph.clip_skill[graph.target_clip]
    assert (skills[:, 1:] > skills[:, :-1]).all()
    assert (skills != graph.clip_skill[graph.frame_clip][:, None]).all()


def test_missing_first_two_and_last_frames() -> None:
    clips = skill_clips()
    missing = [3, 4, 5, 6]
    clips[3] = blanked(clips[3], missing)
    graph = build_graph(clips, SETTINGS)
    for clip, frame, _ in entries(graph).values():
        assert 2 <= frame <= graph.clip_length[clip] - 2
        assert clip != 3 or frame not in missing
    linked = (graph.similarity > 0).any(1)
    assert not linked[graph.clip_start[3] + torch.tensor(missing)].any()
    assert linked.sum() == len(linked) - len(missing)


def test_within_skill_links_other_clips_of_the_skill_only() -> None:
    clips = skill_clips()
    graph, across = build_graph(clips, WITHIN), build_graph(clips, SETTINGS)
    found, expected = entries(graph), entries(across)
    own = {key: value for key, value in found.items() if key not in expected}
    assert_equal_links({key: value for key, value in found.items() if key in expected}, expected)
    assert len(own) == 9 + 11
    for (clip, _, skill), (target, _, _) in own.items():
        assert (clip, target) in ((0, 2), (2, 0))
        assert skill == 7


def test_a_clip_in_another_place_and_direction_is_linked_alike() -> None:
    clips = [random_clip(seed, frames=9, skill=seed) for seed in (1, 2)]
    moved = [moved_clip(clips[0], 2.3), clips[1]]
    assert_equal_links(entries(build_graph(moved, SETTINGS)), entries(build_graph(clips, SETTINGS)))


def test_a_copy_is_linked_frame_by_frame() -> None:
    clip = random_clip(1, frames=20)
    copy = moved_clip(dataclasses.replace(clip, skill=8), -1.0)
    graph = build_graph([clip, copy], SETTINGS)
    inside = torch.arange(2, 19)
    links = graph.links(torch.tensor(0), inside)
    assert torch.equal(links.frame.squeeze(1), inside)
    assert (links.similarity > 0.999).all()


def test_too_distant_frames_are_not_linked() -> None:
    weights = dataclasses.replace(SETTINGS.weights, key_pos=200.0)
    settings = dataclasses.replace(SETTINGS, weights=weights, objectless_weights=weights)
    graph = build_graph(skill_clips(), settings)
    links = (graph.similarity > 0).sum()
    assert 0 < links < 55 * 3 - 20
    assert graph.similarity[graph.similarity > 0].min() >= 1e-10
    assert (graph.target_clip[graph.similarity == 0] == -1).all()


def test_progress_ends_at_the_number_of_searches() -> None:
    seen = []
    build_graph(skill_clips(), SETTINGS, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (55 * 4, 55 * 4)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("clips", "settings", "message"),
    [
        ([random_clip(1), random_clip(2)], SETTINGS, "all clips are of one skill"),
        ([random_clip(1)], WITHIN, "only one clip"),
    ],
)
def test_nothing_to_link(clips: list[Clip], settings: GraphSettings, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        build_graph(clips, settings)


def moved_clip(clip: Clip, yaw: float) -> Clip:
    """The clip turned about the world's z axis and put elsewhere."""
    turn = quat_from_yaw(torch.tensor(yaw, dtype=torch.float64))
    shift = np.array([4.0, -2.0, 0.0])

    def position(values: np.ndarray) -> np.ndarray:
        vectors = torch.from_numpy(values.astype(np.float64))
        return (quat_rotate(turn.expand(*vectors.shape[:-1], 4), vectors).numpy() + shift).astype(np.float32)

    def rotation(values: np.ndarray) -> np.ndarray:
        quat = exp_to_quat(torch.from_numpy(values.astype(np.float64)))
        return quat_to_exp(quat_mul(turn.expand_as(quat), quat)).numpy().astype(np.float32)

    return dataclasses.replace(
        clip,
        root_pos=position(clip.root_pos),
        root_rot=rotation(clip.root_rot),
        body_pos=None,
        object_pos=position(clip.object_pos),
        object_rot=rotation(clip.object_rot),
    )


class Operations(TorchDispatchMode):
    """Counts what torch is asked to do."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations(frames: int) -> int:
    """Of building the graph of four clips of so many frames."""
    clips = [random_clip(seed, frames=frames, skill=seed) for seed in range(4)]
    with Operations() as operations:
        build_graph(clips, SETTINGS)
    return operations.count


def test_frames_are_compared_together() -> None:
    """Four times the frames, sixteen times the pairs: a loop over either would take as many operations more."""
    assert operations(200) < 1.1 * operations(50)
