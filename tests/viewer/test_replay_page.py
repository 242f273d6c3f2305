"""The page of `run.py replay`, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from hoigym.motions.clip import Clip
from hoigym.motions.graph_build import build_graph, published_settings
from hoigym.viewer.browser.replay_panel import ReplayPanel
from hoigym.viewer.clip_session import ClipSession
from hoigym.viewer.controls import Controls
from tests.viewer.tabs import LeavingViewer, choose, click, hold, page, press, slide, text, tick, until, value

pytestmark = pytest.mark.slow
LEFT, RIGHT = "\ue012", "\ue014"


@pytest.fixture(scope="module")
def session(demo_clips: dict[str, Clip]) -> ClipSession:
    """The demo clips with their graph."""
    clips = list(demo_clips.values())
    return ClipSession(clips, Controls(), build_graph(clips, published_settings("mocap", False, "kinematics")))


@pytest.fixture(scope="module")
def viewer(browser: Any, session: ClipSession) -> Iterator[LeavingViewer]:
    """The page, loaded."""
    with page(session, lambda server: ReplayPanel(server, session)) as (url, viewer):
        browser.get(url)
        until(lambda: "real time" in text(browser))
        yield viewer


def pause(browser: Any, session: ClipSession) -> None:
    """Pauses, until the page stands still too."""
    if session.playing:
        press(browser, " ")
        until(lambda: not session.playing)
    until(lambda: f"frame {session.frame} of {session.length}" in text(browser))
    until(lambda: "paused" in text(browser))
    until(lambda: value(browser, "frame") == str(session.frame))


def test_a_clip_plays_and_a_pause_stops_its_frames(browser: Any, session: ClipSession, viewer: LeavingViewer):
    shown = len(viewer.shown)
    until(lambda: len(viewer.shown) > shown + 20)
    pause(browser, session)
    frame, shown = session.frame, len(viewer.shown)
    until(lambda: f"frame {frame} of {session.length}" in text(browser))
    assert (session.frame, len(viewer.shown)) == (frame, shown)
    click(browser, "play / pause")
    until(lambda: len(viewer.shown) > shown + 5)


def test_the_slider_moves_the_clip_and_the_clip_the_slider(browser: Any, session: ClipSession, viewer: LeavingViewer):
    pause(browser, session)
    slide(browser, "frame", 42)
    until(lambda: session.frame == 42)
    press(browser, RIGHT)
    until(lambda: session.frame == 43)
    until(lambda: f"frame 43 of {session.length}" in text(browser))
    press(browser, LEFT)
    until(lambda: session.frame == 42)
    until(lambda: viewer.shown[-1][0].caption.endswith("frame 42"))


def test_clips_are_chosen_and_put_beside_each_other(browser: Any, session: ClipSession, viewer: LeavingViewer):
    choose(browser, "clip", session.clips[2].name)
    until(lambda: session.clip == 2)
    choose(browser, "beside it", session.clips[1].name)
    until(lambda: session.beside == 1)
    until(lambda: len(viewer.shown[-1]) == 2)
    choose(browser, "speed", "0.25")
    until(lambda: session.speed == 0.25)
    press(browser, "n")
    until(lambda: (session.clip, session.beside) == (3, None))


def test_keys_work_after_a_checkbox_was_clicked(browser: Any, session: ClipSession, viewer: LeavingViewer):
    clip = session.clip
    tick(browser, "paths of body and ball")
    press(browser, "n")
    until(lambda: session.clip == (clip + 1) % len(session.clips))
    tick(browser, "paths of body and ball")


def test_a_key_that_is_held_asks_once(
    browser: Any, session: ClipSession, viewer: LeavingViewer, monkeypatch: pytest.MonkeyPatch
):
    asked = []
    monkeypatch.setattr(session, "choose", asked.append)
    hold(browser, "n", 78, times=3)
    hold(browser, "p", 80, times=3)
    until(lambda: len(asked) > 1)
    assert asked[:2] == [(session.clip + 1) % len(session.clips), (session.clip - 1) % len(session.clips)]


def test_a_key_that_steps_goes_on_while_it_is_held(browser: Any, session: ClipSession, viewer: LeavingViewer):
    session.controls.ask(lambda: session.look_at_frame(0))
    until(lambda: value(browser, "frame") == "0")
    hold(browser, "ArrowRight", 39, times=3)
    until(lambda: session.frame == 4)


def test_a_link_of_the_graph_is_looked_at_and_followed(browser: Any, session: ClipSession, viewer: LeavingViewer):
    session.controls.ask(lambda: session.choose(2))
    session.controls.ask(lambda: session.look_at_frame(30))
    until(lambda: "frame 30 of" in text(browser))
    wanted = session.links[1]
    # The similarity tells it from a link to the same frame that another frame has, listed a moment ago.
    choose(browser, "links from here", f"{session.clips[wanted.clip].name} {wanted.frame}, {wanted.similarity:.1e}")
    until(lambda: session.link == wanted)
    until(lambda: viewer.shown[-1][0].ghost is not None)
    click(browser, "jump along the link")
    until(lambda: session.jumps == 1)
    assert (session.clip, session.frame) == (wanted.clip, wanted.frame)
    until(lambda: session.clips[wanted.clip].name in text(browser))
