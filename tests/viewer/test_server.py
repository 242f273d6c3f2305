"""Where the page is served, and to whom."""

import socket
import threading
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest

from hoigym.core.errors import UserError
from hoigym.viewer.browser.window import PortTaken, address, close_server, exposure, open_server
from tests.viewer.tabs import PATIENCE


def test_the_page_is_served_here_and_only_here(capfd: pytest.CaptureFixture[str]):
    server = open_server("127.0.0.1", 0)
    try:
        assert address(server) == f"http://127.0.0.1:{server.get_port()}"
        assert b"<html" in urllib.request.urlopen(address(server), timeout=PATIENCE).read(2000)
        assert server._websock_server._host == "127.0.0.1"
    finally:
        close_server(server)
    assert capfd.readouterr().out == ""


def test_a_taken_port_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        threads = set(threading.enumerate())  # those of an earlier page may still be ending
        with pytest.raises(PortTaken, match=f"port {port} is taken by another program; choose another with --port"):
            open_server("127.0.0.1", port)
        assert set(threading.enumerate()) <= threads


def test_an_address_that_is_not_ours_is_one_line():
    with pytest.raises(UserError, match=r"cannot serve at 203\.0\.113\.1 port 8080"):
        open_server("203.0.113.1", 8080)
    with pytest.raises(UserError, match=r"no address 'no\.such\.host\.invalid'"):
        open_server("no.such.host.invalid", 8080)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", "localhost"), ("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")],
)
def test_the_address_is_one_that_a_browser_here_can_open(host: str, expected: str):
    server: Any = SimpleNamespace(get_host=lambda: host, get_port=lambda: 8080)
    assert address(server) == f"http://{expected}:8080"


def test_opening_the_page_to_others_is_warned_of():
    assert exposure("127.0.0.1") == exposure("localhost") == ""
    assert "open to everyone who can reach 0.0.0.0" in exposure("0.0.0.0")
