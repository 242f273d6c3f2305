"""Looking at clips at will."""

from collections.abc import Callable

import numpy as np
import pytest

from hoigym.motions.clip import Clip
from hoigym.motions.graph import GraphError, TrajectoryGraph
from hoigym.motions.graph_build import build_graph, published_settings
from hoigym.viewer.base import Moment, NullViewer
from hoigym.viewer.clip_session import ClipSession
from hoigym.viewer.controls import Controls
from tests.motions.clips import random_clip


@pytest.fixture(scope="module")
def clips(demo_clips: dict[str, Clip]) -> list[Clip]:
    return list(demo_clips.values())


@pytest.fixture(scope="module")
def graph(clips: list[Clip]) -> TrajectoryGraph:
    return build_graph(clips, published_settings("mocap", False, "kinematics"))


def session_of(clips: list[Clip], graph: TrajectoryGraph | None = None) -> ClipSession:
    return ClipSession(clips, Controls(), graph)


def watch(session: ClipSession, steps: int, ask: Callable[[], None] | None = None) -> NullViewer:
    """What an audience sees in so many steps, the first of which comes after `ask`."""
    if ask is not None:
        ask()
    viewer = NullViewer(limit=steps)
    session.run(viewer)
    return viewer


def frames(viewer: NullViewer) -> list[str]:
    return [moments[0].caption for moments in viewer.shown]


def root(moment: Moment) -> np.ndarray:
    return moment.pose.body_pos[0]


def test_a_clip_plays_in_a_loop():
    session = session_of([random_clip(frames=5)])
    assert frames(watch(session, 7)) == [f"random_0  frame {frame}" for frame in (0, 1, 2, 3, 4, 0, 1)]


def test_speed_is_frames_for_each_step():
    session = session_of([random_clip(frames=20)])
    session.set_speed(0.5)
    assert [int(text.split()[-1]) for text in frames(watch(session, 5))] == [0, 0, 1, 1, 2]
    session.set_speed(4.0)
    assert [int(text.split()[-1]) for text in frames(watch(session, 3))] == [2, 6, 10]


def test_a_pause_shows_nothing_new_until_something_is_asked_for():
    session = session_of([random_clip(frames=20)])
    watch(session, 3)
    session.toggle()
    viewer = NullViewer(limit=3)
    asked = []

    def idle() -> None:
        asked.append(session.frame)
        session.controls.ask(lambda: session.step(1))

    viewer.idle = idle
    session.run(viewer)
    assert asked == [3, 4]
    assert [moments[0].caption for moments in viewer.shown] == [f"random_0  frame {frame}" for frame in (3, 4, 5)]


def test_going_to_a_frame_stops_there():
    session = session_of([random_clip(frames=20)])
    session.look_at_frame(12)
    assert (session.frame, session.playing) == (12, False)
    session.look_at_frame(99)
    assert session.frame == 19
    session.step(1)
    assert session.frame == 0


def test_another_clip_begins_anew():
    session = session_of([random_clip(0, frames=6), random_clip(1, frames=9)])
    watch(session, 3)
    viewer = watch(session, 2, lambda: session.next_clip(1))
    assert [setup.steps for setup in viewer.setups] == [9]
    assert frames(viewer) == ["random_1  frame 0", "random_1  frame 1"]
    assert len(viewer.setups[0].tracks) == 2
    assert viewer.setups[0].tracks[0].points.shape == (9, 3)


def test_two_clips_side_by_side_keep_the_same_time(clips: list[Clip]):
    session = session_of(clips)
    viewer = watch(session, 4, lambda: session.put_beside(2))
    assert viewer.setups[0].figures == 2
    first, second = viewer.shown[-1]
    assert second.caption == f"{clips[2].name}  frame 3"
    start = [root(moment) for moment in viewer.shown[0]]
    assert np.linalg.norm((start[1] - start[0])[:2]) == pytest.approx(1.6, abs=1e-4)
    assert first.caption == f"{clips[0].name}  frame 3"


def test_only_clips_with_the_same_cast_can_stand_beside(clips: list[Clip]):
    session = session_of([clips[0], random_clip(skeleton="parahome", objects=2, skill=10), clips[1]])
    assert session.companions == [2]
    session.put_beside(1)
    assert session.beside is None


def test_a_link_shows_its_frame_where_the_figure_stands(clips: list[Clip], graph: TrajectoryGraph):
    session = session_of(clips, graph)
    session.choose(2)
    session.look_at_frame(30)
    link = session.links[0]
    assert link.similarity == max(each.similarity for each in session.links)
    session.look_at(link)
    viewer = watch(session, 1)
    (moment,) = viewer.shown[0]
    assert viewer.setups[0].ghost
    assert moment.ghost is not None
    np.testing.assert_allclose(moment.ghost.body_pos[0, :2], root(moment)[:2], atol=1e-5)
    linked = session.moments(link.clip)[link.frame]
    np.testing.assert_allclose(moment.ghost.body_pos[:, 2], linked.pose.body_pos[:, 2], atol=1e-5)


def test_a_jump_goes_on_in_the_linked_clip_from_where_the_figure_stands(clips: list[Clip], graph: TrajectoryGraph):
    session = session_of(clips, graph)
    session.choose(2)
    session.look_at_frame(30)
    before = watch(session, 1).shown[0][0]
    link = session.links[0]
    session.jump()
    assert (session.clip, session.frame, session.jumps) == (link.clip, link.frame, 1)
    after = watch(session, 1).shown[0][0]
    np.testing.assert_allclose(root(after)[:2], root(before)[:2], atol=1e-5)
    assert after.ghost is not None
    np.testing.assert_allclose(after.ghost.body_pos, before.pose.body_pos, atol=1e-6)
    session.toggle()
    moved = watch(session, 2).shown[-1][0]
    assert moved.ghost is None
    assert np.linalg.norm(root(moved) - root(after)) < 0.1


def test_a_graph_of_other_clips_is_refused(clips: list[Clip], graph: TrajectoryGraph):
    with pytest.raises(GraphError, match="built from"):
        session_of(clips[:2], graph)


def test_contacts_are_those_of_the_strip(clips: list[Clip]):
    session = session_of(clips)
    on = session.contacts(0)
    assert on.shape == (2, clips[0].num_frames)
    np.testing.assert_array_equal(on[0], clips[0].contact[:, 0] > 0)
