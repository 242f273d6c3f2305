"""A control that shows a value of the run and that the audience may change."""

import time
from collections.abc import Callable
from typing import Any

import viser

from viewer.controls import Controls

# Choices that follow each other sooner are those of a hand that still moves a slider [s].
_QUIET = 0.5


class Mirror:
    """Keeps a control of the page and a value of the run alike.

    The run writes nothing while a choice of the audience is on its way to it: else it would take the choice back
    before it hears of it. All that touches the control is done by viser's loop, one after another.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        controls: Controls,
        control: Any,
        choose: Callable[[Any], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._loop, self._clock = server.get_event_loop(), clock
        self._controls, self._control, self._choose = controls, control, choose
        self._made = self._done = 0  # choices: as viser's loop and the run count them
        self._last: float | None = None  # when the last one was made, until it is confirmed
        control.on_update(self._chosen)

    def show(self, value: Any) -> None:
        """Tells the page the run's value."""
        self._loop.call_soon_threadsafe(self._write, value, self._done)

    def _write(self, value: Any, done: int) -> None:
        if done != self._made:
            return
        self._control.value = value
        if self._last is not None and self._clock() - self._last > _QUIET:
            # An earlier value may have crossed the choice and stand in the tab that made it. viser, which saw only
            # the choice, takes the two for alike and would send nothing.
            self._last = None
            self._control._queue_update("value", value)

    async def _chosen(self, event: viser.GuiEvent) -> None:
        """A coroutine, since viser runs it at once; a plain function would wait for a thread, its choice unknown."""
        if event.client is None:  # the run's own writing
            return
        self._made += 1
        self._last = self._clock()
        value = self._control.value
        self._controls.ask(lambda: self._carry_out(value))

    def _carry_out(self, value: Any) -> None:
        self._choose(value)
        self._done += 1
