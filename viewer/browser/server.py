"""Opens the server of the page."""

import contextlib
import errno
import socket
from collections.abc import Generator

import rich
import viser

from motions.errors import UserError
from viewer.browser.wake import wake_from_loop

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
