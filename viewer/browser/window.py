"""Browser viewer: scene and panel of one page, its server, and any number of tabs."""

import asyncio
import contextlib
import errno
import math
import socket
import time
from collections.abc import Generator, Sequence
from typing import Protocol

import numpy as np
import rich
import viser

from hoigym.core.errors import UserError
from hoigym.motions.skeleton import Skeleton
from hoigym.rendering.camera import FollowCamera
from hoigym.rendering.pose import Pose
from hoigym.viewer.base import Moment, Setup, Viewer
from hoigym.viewer.browser.scene import BrowserScene
from hoigym.viewer.controls import Pacer


class LoopEvent(asyncio.Event):
    """An event that only the loop's own thread sets."""

    def set(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # another thread
            return
        super().set()


def wake_from_loop(server: viser.ViserServer) -> None:
    """Lets the run write to the page while tabs come and go.

    viser 1.1.1 sets the event that new messages wait for twice, at once from the thread that writes and then from its
    loop. asyncio's events are not made for the former: where a tab begins or ends to wait meanwhile, the thread that
    writes gets a RuntimeError, or the tab is never woken again.
    """
    buffer = server._websock_server.get_message_buffer()
    former, buffer.message_event = buffer.message_event, LoopEvent()
    buffer.event_loop.call_soon_threadsafe(former.set)  # a tab of an earlier run may be there already


# --- Opens the server of the page -----------------------------------------------------------------------------------


_HERE = ("127.0.0.1", "localhost", "::1")
_OPEN = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # every address of this machine, and the own one of them


class PortTaken(UserError):
    """Something else listens where the page should be."""


def open_server(host: str, port: int) -> viser.ViserServer:
    """A server at host and port (0 takes a free one), with nothing on its page.

    Raises PortTaken, or UserError for an address that is not this machine's.
    """
    _check(host, port)
    with _silence():
        server = viser.ViserServer(host=host, port=port, label="HOIGym", verbose=False)
    if port and server.get_port() != port:  # taken since the check: viser goes on to the next one
        close_server(server)
        raise PortTaken(_taken(port))
    wake_from_loop(server)
    server.gui.configure_theme(control_width="large", show_logo=False, show_share_button=False)
    server.gui.main_panel.dock_right()
    return server


def close_server(server: viser.ViserServer) -> None:
    """Stops serving."""
    with _silence():
        server.stop()


def address(server: viser.ViserServer) -> str:
    """Where a browser on this machine finds the page."""
    host = _OPEN.get(server.get_host(), server.get_host())
    return f"http://{f'[{host}]' if ':' in host else host}:{server.get_port()}"


def exposure(host: str) -> str:
    """A warning where others than this machine's users can reach the page, else nothing."""
    if host in _HERE:
        return ""
    where = host or "this machine"
    return f"warning: the page is open to everyone who can reach {where}; they can steer it, and there is no password"


def _check(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror:
            raise UserError(f"no address '{host}'; the page is served at 127.0.0.1 without --host") from None
        except OverflowError:
            raise UserError(f"port {port}: expected 0 to 65535") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(_taken(port)) from None
            raise UserError(f"cannot serve at {host} port {port} ({error.strerror})") from None


def _taken(port: int) -> str:
    return f"port {port} is taken by another program; choose another with --port, or 0 for any that is free"


@contextlib.contextmanager
def _silence() -> Generator[None]:
    """Keeps viser's own notes off the terminal."""
    console = rich.get_console()
    quiet, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = quiet


# --- The browser viewer: scene and panel of one page, seen by any number of tabs ------------------------------------


_FOLLOW = 0.15  # share of the way to the followed figures that the view goes in a step
_JUMP = 1.0  # a figure that is farther from the view than this has been put somewhere else [m]
_LOOK_AT, _DISTANCE, _ABOVE = (0.0, 0.0, 0.8), 3.7, 0.7  # [m]
_FARTHER = 0.5  # share of the distance for each further row of figures
_FIELD_OF_VIEW = math.radians(45.0)
_REFRESH = 0.05  # between two refreshes of the panel [s]


class Panel(Protocol):
    """The side of a page: what the audience reads there and asks for."""

    @property
    def followed(self) -> Sequence[int]:
        """Figures that the view stays with; none leaves it where it is."""
        ...

    @property
    def tracks(self) -> bool:
        """Whether paths are drawn."""
        ...

    @property
    def ghosts(self) -> bool:
        """Whether ghosts are drawn."""
        ...

    def begin(self, setup: Setup) -> None:
        """Another setup follows."""

    def note(self, moments: Sequence[Moment]) -> None:
        """Another step is shown."""

    def refresh(self, pacer: Pacer) -> None:
        """Writes what is new; called a few times a second."""


class BrowserViewer(Viewer):
    """Shows figures in a page. It is never closed: tabs come and go."""

    def __init__(self, server: viser.ViserServer, panel: Panel):
        self.server, self._panel = server, panel
        self._scene = BrowserScene(server)
        self._pacer = Pacer(1.0)
        self._middle = np.full(2, np.inf)
        self._moments: Sequence[Moment] = ()
        self._refreshed = 0.0
        self._skeleton: Skeleton | None = None

    def begin(self, setup: Setup) -> None:
        self._skeleton = setup.skeleton
        self._scene.begin(setup)
        self._pacer = Pacer(setup.dt)
        self._panel.begin(setup)

    def show(self, moments: Sequence[Moment]) -> None:
        if not np.isfinite(self._middle).all():
            self._aim(moments[0].pose, len(moments))
        self._moments = moments
        self._scene.show(moments)
        self._follow()
        self._panel.note(moments)
        self._refresh()
        self._pacer.wait()

    def idle(self) -> None:
        self._pacer.rest()
        self._follow()
        self._refresh()

    def close(self) -> None:
        close_server(self.server)

    def _aim(self, pose: Pose, figures: int) -> None:
        """Lets tabs open with the view that videos have, farther away where there is more to see."""
        assert self._skeleton is not None
        turn = math.radians(FollowCamera(self._skeleton, aspect=1.0).follow(pose, dt=0.0).azimuth)
        camera = self.server.initial_camera
        camera.look_at = _LOOK_AT
        x, y, z = _LOOK_AT
        share = 1.0 + _FARTHER * (math.ceil(math.sqrt(figures)) - 1)
        away = share * _DISTANCE
        camera.position = (x - away * math.cos(turn), y - away * math.sin(turn), z + share * _ABOVE)
        camera.fov = _FIELD_OF_VIEW

    def _follow(self) -> None:
        followed = self._panel.followed or () if np.isfinite(self._middle).all() else (0,)
        roots = [self._moments[figure].pose.body_pos[0, :2] for figure in followed if figure < len(self._moments)]
        if not roots:
            return
        away = np.mean(roots, axis=0) - self._middle
        self._middle = self._middle + _FOLLOW * away if np.linalg.norm(away) < _JUMP else np.mean(roots, axis=0)
        self._scene.centre(self._middle)

    def _refresh(self) -> None:
        now = time.perf_counter()
        if now - self._refreshed >= _REFRESH:
            self._refreshed = now
            self._scene.show_tracks(self._panel.tracks)
            self._scene.show_ghosts(self._panel.ghosts)
            self._panel.refresh(self._pacer)
