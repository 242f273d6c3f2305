"""A control of the page and a value of the run stay alike, whoever changes it."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hoigym.viewer.browser.widgets import Mirror
from hoigym.viewer.controls import Controls


class Dropdown:
    """A control of viser: told of every choice that the audience makes; sends what is not known to be shown."""

    def __init__(self, value: str):
        self._value = value
        self.sent: list[str] = []

    @property
    def value(self) -> str:
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self._queue_update("value", value)

    def _queue_update(self, name: str, value: str) -> None:
        self.sent.append(value)

    def on_update(self, told: Any) -> None:
        self._told = told

    def choose(self, value: str, client: object = "a tab") -> None:
        self._value = value
        asyncio.run(self._told(SimpleNamespace(client=client)))


class Run:
    """A run with one value, which it takes only from those that are allowed, and viser's loop, which turns by hand."""

    def __init__(self) -> None:
        self.controls, self.dropdown, self.value = Controls(), Dropdown("-"), "-"
        self.now = 0.0
        self._waiting: list[Callable[[], None]] = []
        loop = SimpleNamespace(call_soon_threadsafe=lambda do, *told: self._waiting.append(lambda: do(*told)))
        server: Any = SimpleNamespace(get_event_loop=lambda: loop)
        self.mirror = Mirror(server, self.controls, self.dropdown, self._take, lambda: self.now)

    def _take(self, value: str) -> None:
        if value != "forbidden":
            self.value = value

    def show(self) -> None:
        self.mirror.show(self.value)

    def turn(self) -> None:
        """What viser's loop has been asked for is done."""
        while self._waiting:
            self._waiting.pop(0)()

    def refresh(self) -> None:
        self.show()
        self.turn()


def test_a_choice_on_its_way_is_not_taken_back():
    run = Run()
    run.dropdown.choose("walk")
    run.refresh()
    assert run.dropdown.value == "walk"
    run.controls.carry_out()
    run.refresh()
    assert (run.value, run.dropdown.value) == ("walk", "walk")


def test_a_value_that_was_on_its_way_to_the_page_does_not_take_a_choice_back():
    run = Run()
    run.value = "run"
    run.show()
    run.dropdown.choose("walk")
    run.controls.carry_out()
    run.turn()
    assert (run.value, run.dropdown.value) == ("walk", "walk")


def test_the_last_of_several_choices_counts_though_the_run_takes_them_one_by_one():
    run = Run()
    run.dropdown.choose("walk")
    run.controls.carry_out()
    run.dropdown.choose("run")
    run.refresh()
    assert run.dropdown.value == "run"
    run.controls.carry_out()
    run.refresh()
    assert (run.value, run.dropdown.value) == ("run", "run")


def test_the_page_shows_what_the_run_makes_of_it():
    run = Run()
    run.value = "walk"
    run.refresh()
    assert run.dropdown.value == "walk"
    run.dropdown.choose("forbidden")
    run.controls.carry_out()
    run.refresh()
    assert run.dropdown.value == "walk"


def test_what_the_run_writes_itself_is_no_choice():
    run = Run()
    run.dropdown.choose("walk", client=None)
    assert not run.controls.carry_out()
    assert run.value == "-"


def test_a_choice_is_confirmed_once_when_no_other_follows():
    run = Run()
    run.dropdown.choose("walk")
    run.controls.carry_out()
    run.refresh()
    assert run.dropdown.sent == []
    run.now = 0.4
    run.dropdown.choose("run")
    run.controls.carry_out()
    run.now = 0.8
    run.refresh()
    assert run.dropdown.sent == []
    run.now = 1.0
    run.refresh()
    run.refresh()
    assert run.dropdown.sent == ["run"]
