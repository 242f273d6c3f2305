"""What a step costs a page: it is sent what has moved. The processor time is in `benchmarks/page_cost.py`."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from hoigym.viewer.base import Moment
from hoigym.viewer.browser.scene import BrowserScene
from hoigym.viewer.browser.window import close_server, open_server
from tests.viewer.moments import CONTACT_FROM, moment, setup

OF_BALL = {f"/world/{kind}/{primitive}" for kind in ("figure", "ghost") for primitive in ("sphere", "cylinder")}
BATCHES = OF_BALL | {"/world/figure/box", "/world/ghost/box"}
"""A mesh for each primitive that the figure or its ghost consists of."""
PLACES, TURNS, COLOURS = "batched_positions", "batched_wxyzs", "batched_colors"


class Wire:
    """A page whose updates are kept instead of looked at."""

    def __init__(self) -> None:
        self.server = open_server("127.0.0.1", 0)
        self.scene = BrowserScene(self.server)
        self.scene.begin(setup(ghost=True))
        self._updates: list[tuple[str, str, np.ndarray]] = []
        # viser records all that is sent for those who ask; what the filter refuses is not kept.
        self.server._websock_server.get_message_serializer(self._note)

    def show(self, shown: Moment) -> list[tuple[str, str, np.ndarray]]:
        """Batch, property and values of every update that showing a moment sends."""
        self._updates.clear()
        self.scene.show([shown])
        return list(self._updates)

    def _note(self, message) -> bool:
        for name, values in getattr(message, "updates", {}).items():
            self._updates.append((message.name, name, values))
        return False


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    close_server(wire.server)


def turned(shown: Moment) -> Moment:
    """Figure and ghost with all parts elsewhere and otherwise turned."""
    quat = np.full_like(shown.pose.body_quat, 0.5)
    pose = replace(shown.pose, body_pos=shown.pose.body_pos + 0.1, body_quat=quat)
    return replace(shown, pose=pose, ghost=pose)


def test_a_step_sends_places_and_turns_once_for_each_mesh(wire: Wire) -> None:
    wire.show(moment(0, ghost=True))
    updates = wire.show(turned(moment(1, ghost=True)))
    assert Counter((batch, name) for batch, name, _ in updates) == {
        (batch, name): 1 for batch in BATCHES for name in (PLACES, TURNS)
    }
    parts = sum(len(values) for _, name, values in updates if name == PLACES)
    assert sum(values.nbytes for _, _, values in updates) == (3 + 4) * 4 * parts


def test_what_has_not_changed_is_not_sent_again(wire: Wire) -> None:
    wire.show(moment(0, ghost=True))
    assert wire.show(moment(0, ghost=True)) == []
    falling = wire.show(moment(1, ghost=True))
    assert {(batch, name) for batch, name, _ in falling} == {(batch, PLACES) for batch in OF_BALL}


def test_colours_are_sent_when_something_is_touched_and_not_before(wire: Wire) -> None:
    coloured = [
        step
        for step in range(CONTACT_FROM + 3)
        if COLOURS in {name for _, name, _ in wire.show(moment(step, ghost=True))}
    ]
    assert coloured == [CONTACT_FROM]
