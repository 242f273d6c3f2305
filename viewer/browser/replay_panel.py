"""The panel of `run.py replay`."""

from collections.abc import Callable, Sequence
from typing import Any

import viser

from hoigym.motions.skill_set import load_skill_set
from hoigym.viewer.base import Moment, Setup
from hoigym.viewer.browser.plots import contact_lanes, strips_html
from hoigym.viewer.browser.widgets import Mirror, add_button, add_keys, head_html
from hoigym.viewer.clip_session import SPEEDS, ClipSession, Link
from hoigym.viewer.controls import Pacer

_NONE = "-"
_MANY = 12  # links that are listed


class ReplayPanel:
    """Clip, time and graph controls, and what there is to read of the present frame."""

    ghosts = True

    def __init__(self, server: viser.ViserServer, session: ClipSession):
        self._session, self._server = session, server
        self._names = [f"{index}: {clip.name}" for index, clip in enumerate(session.clips)]
        self._links: list[Link] = []
        self._link_frame: tuple[int, int, int] | None = None
        gui = server.gui
        self._head = gui.add_html("")
        self._strip = gui.add_html("")
        self._slider = gui.add_slider("frame", 0, max(session.length - 1, 1), 1, 0)
        actions = session.actions
        add_keys(server, session.controls, actions)
        add_button(server, session.controls, actions[0])
        speed = gui.add_dropdown("speed", [f"{speed:g}" for speed in SPEEDS], initial_value=f"{session.speed:g}")
        clip = gui.add_dropdown("clip", self._names, initial_value=self._names[session.clip])
        self._companions = gui.add_dropdown("beside it", [_NONE])
        self._follow = gui.add_checkbox("camera follows", True)
        self._tracks = gui.add_checkbox("paths of body and ball", True)
        self._frame = self._mirror(self._slider, session.look_at_frame)
        self._mirror(speed, lambda name: session.set_speed(float(name)))
        self._clip = self._mirror(clip, lambda name: session.choose(self._names.index(name)))
        self._beside = self._mirror(self._companions, self._put_beside)
        if session.has_graph:
            self._add_graph()

    @property
    def followed(self) -> Sequence[int]:
        return (0, 1) if self._follow.value else ()

    @property
    def tracks(self) -> bool:
        return self._tracks.value

    def begin(self, setup: Setup) -> None:
        session = self._session
        self._slider.max = max(session.length - 1, 1)
        self._companions.options = [_NONE, *(self._names[clip] for clip in session.companions)]

    def note(self, moments: Sequence[Moment]) -> None:
        self._moment = moments[0]

    def refresh(self, pacer: Pacer) -> None:
        session, moment = self._session, self._moment
        late = f"{session.speed * pacer.rate:.2f} of real time" if pacer.late else f"{session.speed:g} x real time"
        state = late if session.playing else "paused"
        line = f"frame {session.frame} of {session.length}, {moment.time:.2f} s, {state}"
        self._head.content = head_html(moment, line)
        lanes = contact_lanes(session.contacts(session.clip))
        self._strip.content = strips_html(lanes, session.length, session.frame + 0.5)
        self._frame.show(session.frame)
        self._clip.show(self._names[session.clip])
        self._beside.show(_NONE if session.beside is None else self._names[session.beside])
        if session.has_graph:
            self._list_links()

    def _mirror(self, control: Any, choose: Callable[[Any], None]) -> Mirror:
        return Mirror(self._server, self._session.controls, control, choose)

    def _put_beside(self, name: str) -> None:
        self._session.put_beside(None if name == _NONE else self._names.index(name))

    def _add_graph(self) -> None:
        with self._server.gui.add_folder("trajectory graph"):
            self._listed = self._server.gui.add_dropdown("links from here", [_NONE])
            add_button(self._server, self._session.controls, self._session.actions[-1])
        self._link = self._mirror(self._listed, self._look_at)

    def _list_links(self) -> None:
        """The links of the present frame, while nothing moves."""
        session = self._session
        here = None if session.playing else (session.clip, session.frame, session.jumps)
        if here != self._link_frame:
            self._link_frame = here
            self._links = session.links[:_MANY] if here else []
            self._listed.options = [_NONE, *map(self._link_name, self._links)]
        self._link.show(_NONE if session.link is None else self._link_name(session.link))

    def _look_at(self, name: str) -> None:
        self._session.look_at(next((link for link in self._links if self._link_name(link) == name), None))

    def _link_name(self, link: Link) -> str:
        clip = self._session.clips[link.clip]
        return f"{load_skill_set(clip.skeleton).name_of(clip.skill)}, {clip.name} {link.frame}, {link.similarity:.1e}"
