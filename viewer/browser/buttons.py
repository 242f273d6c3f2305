"""Actions on a page: a button each, and a key for those that have one."""

import json
from collections.abc import Callable, Coroutine, Sequence
from html import escape
from typing import Any

import viser

from viewer.controls import Action, Controls
from viewer.keys import key_label

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
