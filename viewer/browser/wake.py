"""Wakes whoever sends to the tabs, from the thread of their loop alone."""

import asyncio

import viser


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
