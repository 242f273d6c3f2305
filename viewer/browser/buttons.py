"""Actions on a page: a button each, and a key for those that have one."""

from collections.abc import Sequence
from typing import Any

import viser

from viewer.controls import Action, Controls
from viewer.keys import key_label

# The keys that move viser's camera are keys of ours. viser listens on the document; commands are handled one element
# further down, where this ends the event's way up.
_KEEP_CAMERA_STILL = """<img src="data:," alt="" style="display:none" onerror="
if (!window.keysAreOurs) {
  window.keysAreOurs = true;
  document.documentElement.addEventListener('keydown', event => event.stopPropagation());
}">"""


def add_keys(server: viser.ViserServer, controls: Controls, actions: Sequence[Action]) -> None:
    """Makes the keys of actions work wherever the page has the focus; a disabled action's key does nothing."""
    server.gui.add_html(_KEEP_CAMERA_STILL)
    for action in actions:
        if action.key is None:
            continue
        command = server.gui.add_command(action.label, hotkey=_viser_key(action.key), disabled=not action.enabled)
        command.on_trigger(lambda _, action=action: controls.ask(action.do))


def add_button(server: viser.ViserServer, controls: Controls, action: Action) -> viser.GuiButtonHandle:
    """The button of an action; its key stands behind its name."""
    label = f"{action.label}  ({key_label(action.key)})" if action.key else action.label
    button = server.gui.add_button(label, disabled=not action.enabled)
    button.on_click(lambda _: controls.ask(action.do))
    return button


def _viser_key(key: str) -> Any:
    """viser writes letters in capitals."""
    return key.upper() if len(key) == 1 else key
