"""The run writes from its own thread while tabs begin and end to wait in the server's."""

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from hoigym.viewer.browser.window import close_server, open_server
from tests.viewer.tabs import PATIENCE, until


class Waiters(deque):
    """Who waits for an event; remembers which threads looked through them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen_by: set[str] = set()

    def __iter__(self) -> Iterator[Any]:
        self.seen_by.add(threading.current_thread().name)
        return super().__iter__()


@pytest.fixture
def server() -> Iterator[Any]:
    opened = open_server("127.0.0.1", 0)
    yield opened
    close_server(opened)


def test_what_the_run_writes_wakes_a_tab_in_its_own_thread(server: Any) -> None:
    buffer = server._websock_server.get_message_buffer()
    waiters = buffer.message_event._waiters = Waiters()
    tab = buffer.window_generator(client_id=7)

    def ask(coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, buffer.event_loop)

    ask(anext(tab)).result(PATIENCE)  # what was there before
    for number in range(20):
        coming = ask(anext(tab))
        until(lambda: len(waiters) == 1, "the tab does not wait")
        server.scene.add_frame(f"/frame_{number}")
        assert f"/frame_{number}" in [getattr(message, "name", "") for message in coming.result(PATIENCE)]
    ask(tab.aclose()).result(PATIENCE)
    assert threading.current_thread().name not in waiters.seen_by
