"""A control of the page and a value of the run stay alike, whoever changes it."""

import asyncio
from types import SimpleNamespace
from typing import Any

from viewer.browser.mirror import Mirror
from viewer.controls import Controls


class Dropdown:
    """A control of viser: told of every choice that the audience makes."""

    def __init__(self, value: str):
        self.value = value

    def on_update(self, told: Any) -> None:
        self._told = told

    def choose(self, value: str, client: object = "a tab") -> None:
        self.value = value
        asyncio.run(self._told(SimpleNamespace(client=client)))


class Run:
    """A run with one value, which it takes only from those that are allowed."""

    def __init__(self) -> None:
        self.controls, self.dropdown, self.value = Controls(), Dropdown("-"), "-"
        self.mirror = Mirror(self.controls, self.dropdown, self._take)

    def _take(self, value: str) -> None:
        if value != "forbidden":
            self.value = value

    def refresh(self) -> None:
        self.mirror.show(self.value)


def test_a_choice_on_its_way_is_not_taken_back():
    run = Run()
    run.dropdown.choose("walk")
    run.refresh()
    assert run.dropdown.value == "walk"
    run.controls.carry_out()
    run.refresh()
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
