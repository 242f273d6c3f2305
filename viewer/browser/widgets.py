"""Controls of the page: buttons with keys, and values of the run that the audience may change."""

import json
import time
from collections.abc import Callable, Coroutine, Sequence
from html import escape
from typing import Any

import viser

from hoigym.viewer.base import Moment
from hoigym.viewer.controls import Action, Controls, key_label


def head_html(moment: Moment, line: str) -> str:
    """Skill and caption of a moment, and a line of one's own; names are those of files, and may hold anything."""
    return (
        '<div style="padding:0.2em 0.6em;overflow-wrap:anywhere">'
        f'<div style="font-size:1.4em;font-weight:600">{escape(moment.skill)}</div>'
        f'<div style="font-size:0.85em">{escape(moment.caption)}</div>'
        f'<div style="font-size:0.85em">{escape(line)}</div></div>'
    )


# --- Actions on a page: a button each, and a key for those that have one --------------------------------------------


# A key that is held down asks once, unless its action goes on while it is held.
# The keys that move viser's camera are keys of ours. viser listens on the document; commands are handled one element
# further down, where this ends the event's way up.
# Whoever has clicked something, or typed a number, leaves the keys to the page again: viser takes none that go to a
# field in focus, and a slider in focus takes the arrows for itself too.
_KEYS_ARE_OURS = """
if (!window.keysAreOurs) {
  window.keysAreOurs = true;
  const page = document.documentElement;
  const writing = element => element.matches('input:not([type=checkbox]), textarea');
  page.addEventListener('keydown', event => {
    const modified = event.ctrlKey || event.altKey || event.metaKey;
    if (event.repeat && !modified && !writing(event.target) && ONCE.includes(event.key.toLowerCase())) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);
  page.addEventListener('keydown', event => {
    event.stopPropagation();
    if (event.key == 'Enter' && event.target.inputMode) event.target.blur();
  });
  page.addEventListener('click', event => {
    if (event.detail && !writing(event.target)) document.activeElement.blur();
  });
}"""


def add_keys(server: viser.ViserServer, controls: Controls, actions: Sequence[Action]) -> None:
    """Makes the keys of actions work wherever the page has the focus, but in text that is being written.

    A disabled action's key does nothing.
    """
    once = [" " if action.key == "space" else action.key for action in actions if action.key and not action.held]
    script = escape(_KEYS_ARE_OURS.replace("ONCE", json.dumps(once)))
    server.gui.add_html(f'<img src="data:," alt="" style="display:none" onerror="{script}">')
    for action in actions:
        if action.key is None:
            continue
        command = server.gui.add_command(action.label, hotkey=_viser_key(action.key), disabled=not action.enabled)
        command.on_trigger(_asks(controls, action))


def add_button(server: viser.ViserServer, controls: Controls, action: Action) -> viser.GuiButtonHandle:
    """The button of an action; its key stands behind its name."""
    label = f"{action.label}  ({key_label(action.key)})" if action.key else action.label
    button = server.gui.add_button(label, disabled=not action.enabled)
    button.on_click(_asks(controls, action))
    return button


def _asks(controls: Controls, action: Action) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """A coroutine, since viser runs it at once; of plain functions, each in a thread, a later one may come first."""

    async def ask(_: Any) -> None:
        controls.ask(action.do)

    return ask


def _viser_key(key: str) -> Any:
    """viser writes letters in capitals."""
    return key.upper() if len(key) == 1 else key


# --- A control that shows a value of the run and that the audience may change ---------------------------------------


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
