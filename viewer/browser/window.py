"""The browser viewer: scene and panel of one page, seen by any number of tabs."""

import math
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import viser

from envs.drawing.camera import FollowCamera
from envs.drawing.pose import Pose
from motions.skeleton import Skeleton
from viewer.base import Moment, Setup, Viewer
from viewer.browser.scene import BrowserScene
from viewer.browser.server import close_server
from viewer.pace import Pacer

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
