"""The panel of `run.py play`, without a browser."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hoigym.viewer.browser.play_panel import PlayPanel
from hoigym.viewer.browser.window import close_server, open_server
from hoigym.viewer.controls import Controls, Pacer
from tests.viewer.moments import moment, setup


@pytest.fixture
def panel() -> Iterator[PlayPanel]:
    """Of two humanoids; the second one touches its ball from the start."""
    rollout: Any = SimpleNamespace(controls=Controls(), actions=[], figures=2, ghost=False, playing=False)
    server = open_server("127.0.0.1", 0)
    made = PlayPanel(server, rollout)
    made.begin(setup(figures=2))
    for step in range(3):
        made.note([replace(moment(step), skill="first"), replace(moment(step + 6), skill="second")])
    yield made
    close_server(server)


def read(panel: PlayPanel) -> str:
    panel.refresh(Pacer(1 / 60))
    return panel._head.content


def test_another_humanoid_is_read_though_nothing_moves(panel: PlayPanel):
    assert ">first<" in read(panel)
    panel._figure.value = 2
    assert ">second<" in read(panel)


def test_the_past_of_another_humanoid_is_not_mixed_in(panel: PlayPanel):
    assert list(panel._past) == [(False, False, -1)] * 3
    panel._figure.value = 2
    panel.note([moment(3), moment(9)])
    assert list(panel._past) == [(True, True, -1)]
    assert panel._rewards is not None
    assert list(panel._rewards._times) == [moment(9).time]
