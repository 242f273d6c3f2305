"""Where what a command shows goes: into a file, or before an audience in a browser or a window."""

import contextlib
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from hoigym.core.errors import UserError
from hoigym.viewer.base import Viewer
from hoigym.viewer.controls import Action, Controls
from hoigym.viewer.picture import PictureConfig

if TYPE_CHECKING:
    import viser

    from hoigym.viewer.browser.window import Panel

HERE = "127.0.0.1"


@dataclass(frozen=True)
class AudienceConfig:
    """Into which file, or before whom."""

    output: Path | None = None
    """Write a video (.mp4), a sheet of pictures (.png) or the motion as a clip (.npz), in place of a viewer."""
    fps: float = 30.0
    """Pictures per second of the video."""
    speed: float = 1.0
    """Of the video; 1 is real time."""
    viewer: Literal["browser", "native", "none"] = "browser"
    """Where to look: a page for a browser, a window on this machine's display, or nowhere."""
    host: str = HERE
    """Address at which the page is served; 0.0.0.0 opens it to other machines."""
    port: int = 8080
    """Port of the page; 0 takes a free one."""
    picture: PictureConfig = field(default_factory=PictureConfig)

    def __post_init__(self) -> None:
        for name in ("fps", "speed"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.port < 65536:
            raise UserError(f"port must be 0 to 65535, not {self.port}")


class Session(Protocol):
    """What is shown, and what can be asked of it."""

    controls: Controls

    @property
    def actions(self) -> list[Action]: ...

    def run(self, viewer: Viewer) -> None: ...


def attend(config: AudienceConfig, session: Session, panel: "Callable[[viser.ViserServer], Panel]") -> None:
    """Shows a session in the viewer asked for until it is closed or Ctrl-C; panel: makes that of a page.

    Raises UserError where there is no such viewer here.
    """
    try:
        with _viewer(config, session, panel) as viewer:
            session.run(viewer)
    except KeyboardInterrupt:
        print("stopped")


@contextlib.contextmanager
def _viewer(
    config: AudienceConfig, session: Session, panel: "Callable[[viser.ViserServer], Panel]"
) -> Generator[Viewer]:
    """The viewer asked for, closed at the end; where a page is, is said once Ctrl-C closes it."""
    if config.viewer == "native":
        from hoigym.viewer.native import NativeViewer

        with NativeViewer(session.controls, session.actions) as window:
            yield window
        return
    from hoigym.viewer.browser.window import BrowserViewer, address, exposure, open_server

    server = open_server(config.host, config.port)
    with BrowserViewer(server, panel(server)) as page:
        if warning := exposure(config.host):
            print(warning, file=sys.stderr)
        print(f"open {address(server)} in a browser; Ctrl-C ends", flush=True)
        yield page
