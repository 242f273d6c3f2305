"""Keys and buttons of a page."""

import inspect
from types import SimpleNamespace
from typing import Any

from hoigym.viewer.browser.widgets import add_button, add_keys
from hoigym.viewer.controls import Action, Controls


class Gui:
    """Keeps what is told to it of a key or a button."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.keys: dict[str, str] = {}

    def add_html(self, content: str) -> None:
        self.html = content

    def add_command(self, label: str, hotkey: str, disabled: bool) -> Any:
        self.keys[label] = hotkey
        return SimpleNamespace(on_trigger=lambda told: self.told.update({f"key of {label}": told}))

    def add_button(self, label: str, disabled: bool) -> Any:
        return SimpleNamespace(on_click=lambda told: self.told.update({label: told}))


def test_what_is_asked_for_first_comes_first():
    actions = [Action("walk", lambda: None, "w"), Action("pause", lambda: None, "space")]
    gui, controls = Gui(), Controls()
    server: Any = SimpleNamespace(gui=gui)
    add_keys(server, controls, actions)
    add_button(server, controls, actions[0])
    assert gui.keys == {"walk": "W", "pause": "space"}
    assert set(gui.told) == {"key of walk", "key of pause", "walk  (W)"}
    # viser gives a plain function to one of its threads, and the next one to another.
    assert all(inspect.iscoroutinefunction(told) for told in gui.told.values())
