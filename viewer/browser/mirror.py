"""A control that shows a value of the run and that the audience may change."""

from collections.abc import Callable
from typing import Any

import viser

from viewer.controls import Controls


class Mirror:
    """Keeps a control of the page and a value of the run alike.

    The run writes only what the page does not show yet, and nothing while a choice of the audience is on its way to
    it: else it would take the choice back before it hears of it.
    """

    def __init__(self, controls: Controls, control: Any, choose: Callable[[Any], None]):
        self._controls, self._control, self._choose = controls, control, choose
        self._shown = control.value
        self._made = self._done = 0  # choices; each is counted by one thread alone
        control.on_update(self._chosen)

    def show(self, value: Any) -> None:
        """Tells the page the run's value."""
        if self._made == self._done and value != self._shown:
            self._shown = self._control.value = value

    async def _chosen(self, event: viser.GuiEvent) -> None:
        """A coroutine, since viser runs it at once; a plain function would wait for a thread, its choice unknown."""
        if event.client is None:  # the run's own writing
            return
        self._made += 1
        value = self._control.value
        self._controls.ask(lambda: self._carry_out(value))

    def _carry_out(self, value: Any) -> None:
        self._done += 1
        self._shown = value
        self._choose(value)
