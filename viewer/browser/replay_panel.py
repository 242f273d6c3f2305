"""The panel of `run.py replay`."""

from collections.abc import Sequence

import viser

from viewer.base import Moment, Setup
from viewer.browser.buttons import add_button, add_keys
from viewer.browser.head import head_html
from viewer.browser.strip import contact_lanes, strips_html
from viewer.clip_session import SPEEDS, ClipSession, Link
from viewer.pace import Pacer
from viewer.skill_names import skill_name

_NONE = "-"
_MANY = 12  # links that are listed


class ReplayPanel:
    """Clip, time and graph controls, and what there is to read of the present frame."""

    ghosts = True

    def __init__(self, server: viser.ViserServer, session: ClipSession):
        self._session, self._server = session, server
        self._ask = session.controls.ask
        self._names = [f"{index}: {clip.name}" for index, clip in enumerate(session.clips)]
        self._frame = 0
        self._links: list[Link] = []
        self._link_frame: tuple[int, int, int] | None = None
        gui = server.gui
        self._head = gui.add_html("")
        self._strip = gui.add_html("")
        self._slider = gui.add_slider("frame", 0, max(session.length - 1, 1), 1, 0)
        actions = session.actions
        add_keys(server, session.controls, actions)
        self._play = add_button(server, session.controls, actions[0])
        self._speed = gui.add_dropdown("speed", [f"{speed:g}" for speed in SPEEDS], initial_value=f"{session.speed:g}")
        self._clip = gui.add_dropdown("clip", self._names, initial_value=self._names[session.clip])
        self._beside = gui.add_dropdown("beside it", [_NONE])
        self._follow = gui.add_checkbox("camera follows", True)
        self._tracks = gui.add_checkbox("paths of body and ball", True)
        self._link = self._add_graph() if session.has_graph else None
        self._listen()

    @property
    def followed(self) -> Sequence[int]:
        return (0, 1) if self._follow.value else ()

    @property
    def tracks(self) -> bool:
        return self._tracks.value

    def begin(self, setup: Setup) -> None:
        session = self._session
        self._slider.max = max(session.length - 1, 1)
        self._clip.value = self._names[session.clip]
        self._beside.options = [_NONE, *(self._names[clip] for clip in session.companions)]
        self._beside.value = _NONE if session.beside is None else self._names[session.beside]

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
        if session.frame != self._frame:  # else the audience may just be moving it
            self._frame = self._slider.value = session.frame
        if self._link is not None:
            self._list_links(self._link)

    def _add_graph(self) -> viser.GuiDropdownHandle:
        with self._server.gui.add_folder("trajectory graph"):
            link = self._server.gui.add_dropdown("links from here", [_NONE])
            add_button(self._server, self._session.controls, self._session.actions[-1])
        return link

    def _list_links(self, dropdown: viser.GuiDropdownHandle) -> None:
        """The links of the present frame, while nothing moves."""
        session = self._session
        here = None if session.playing else (session.clip, session.frame, session.jumps)
        if here != self._link_frame:
            self._link_frame = here
            self._links = session.links[:_MANY] if here else []
            dropdown.options = [_NONE, *map(self._link_name, self._links)]
        dropdown.value = _NONE if session.link is None else self._link_name(session.link)

    def _link_name(self, link: Link) -> str:
        clip = self._session.clips[link.clip]
        return f"{skill_name(clip.skeleton, clip.skill)}, {clip.name} {link.frame}, {link.similarity:.1e}"

    def _listen(self) -> None:
        """What the audience changes; changes of our own have no client."""
        session = self._session

        @self._slider.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                frame = int(self._slider.value)
                self._ask(lambda: session.look_at_frame(frame))

        @self._speed.on_update
        def _(event: viser.GuiEvent) -> None:
            speed = float(self._speed.value)
            self._ask(lambda: session.set_speed(speed))

        @self._clip.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                clip = self._names.index(self._clip.value)
                self._ask(lambda: session.choose(clip))

        @self._beside.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                name = self._beside.value
                self._ask(lambda: session.put_beside(None if name == _NONE else self._names.index(name)))

        if (link := self._link) is not None:

            @link.on_update
            def _(event: viser.GuiEvent) -> None:
                if event.client is not None:
                    chosen = next((each for each in self._links if self._link_name(each) == link.value), None)
                    self._ask(lambda: session.look_at(chosen))
