"""Plots of the page: live curves of the last seconds, and strips of time."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import viser
from viser import uplot

from hoigym.viewer.picture import LABEL_ON, OFF, TOUCH_ON, runs

_COLOURS = ("#1c7ed6", "#e8590c", "#2f9e44", "#9c36b5", "#c92a2a", "#0c8599", "#846358", "#495057")
_WIDTH, _HEIGHT = 300, 240  # [pixels]
_EMPTY = np.zeros(1)


class LivePlot:
    """Curves over time of numbers that share a scale from 0 to 1; which ones is known with the first values."""

    def __init__(self, server: viser.ViserServer, title: str, points: int):
        """points: how many steps are kept."""
        self._server, self._title = server, title
        self._times: deque[float] = deque(maxlen=points)
        self._values: dict[str, deque[float]] = {}
        self._points = points
        panel = server.gui.add_panel()
        self._container = panel.add_tab(title)
        panel.dock_left()
        panel.set_width(_WIDTH)
        self._plot: viser.GuiUplotHandle | None = None

    def add(self, time: float, values: Mapping[str, float]) -> None:
        """The numbers at a time [s]; a time before the last one begins anew."""
        if not values:
            return
        if set(values) != set(self._values) or (self._times and time < self._times[-1]):
            self._times.clear()
            self._values = {name: deque(maxlen=self._points) for name in values}
        self._times.append(time)
        for name, value in values.items():
            self._values[name].append(value)

    def clear(self) -> None:
        """Begins anew."""
        self._times.clear()
        for values in self._values.values():
            values.clear()

    def refresh(self) -> None:
        """Sends the curves."""
        if len(self._times) < 2:
            return
        data = (np.array(self._times), *(np.array(values) for values in self._values.values()))
        if self._plot is None:
            self._plot = self._draw(data)
        self._plot.data = data

    def _draw(self, data: tuple[np.ndarray, ...]) -> viser.GuiUplotHandle:
        series = [uplot.Series(label="s")]
        for index, name in enumerate(self._values):
            series.append(uplot.Series(label=name, stroke=_COLOURS[index % len(_COLOURS)], width=1.5))
        with self._container:
            return self._server.gui.add_uplot(
                data,
                tuple(series),
                scales={"x": uplot.Scale(time=False, auto=True), "y": uplot.Scale(auto=False, range=(0.0, 1.02))},
                legend=uplot.Legend(show=True, live=False),
                height=_HEIGHT,
            )


# --- Strips of time as they stand in a page: contact by label and measured, and the skill ---------------------------


_SKILL_COLOURS = ("#ffd8a8", "#b2f2bb", "#a5d8ff", "#eebefa", "#ffec99", "#c5f6fa", "#ffc9c9", "#d0bfff")


@dataclass(frozen=True)
class Bar:
    """From step start to before step end, with a word on it."""

    start: int
    end: int
    colour: str
    word: str = ""


@dataclass(frozen=True)
class Lane:
    """One strip and what it is called."""

    name: str
    bars: Sequence[Bar]


def contact_lanes(on: np.ndarray) -> list[Lane]:
    """Of contact (2, T) bool: by label, and measured."""
    names = (("contact, by its label", LABEL_ON), ("contact, measured", TOUCH_ON))
    return [
        Lane(name, [Bar(start, end, _css(colour)) for start, end in runs(row)])
        for row, (name, colour) in zip(on, names, strict=True)
    ]


def skill_lane(skills: np.ndarray, names: dict[int, str]) -> Lane:
    """Of skill ids (T,); -1 where there was none yet."""
    edges = [0, *(np.flatnonzero(np.diff(skills)) + 1).tolist(), len(skills)]
    bars = [
        Bar(start, end, _SKILL_COLOURS[skills[start] % len(_SKILL_COLOURS)], names.get(int(skills[start]), ""))
        for start, end in zip(edges[:-1], edges[1:], strict=True)
        if end > start and skills[start] >= 0
    ]
    return Lane("skill", bars)


def strips_html(lanes: Sequence[Lane], steps: int, now: float) -> str:
    """Lanes under each other over so many steps, with a mark at step `now`."""
    rows = "".join(_lane(lane, steps) for lane in lanes)
    mark = _percent(min(max(now, 0.0), steps), steps)
    return (
        f'<div class="strips" style="margin:0.3em 0.75em;position:relative;font-size:0.75em;line-height:1.3">{rows}'
        f'<div style="position:absolute;left:{mark};top:0;bottom:0;width:2px;background:#141a22"></div></div>'
    )


def _lane(lane: Lane, steps: int) -> str:
    bars = "".join(
        f'<div style="position:absolute;left:{_percent(bar.start, steps)};top:0;bottom:0;overflow:hidden;'
        f'white-space:nowrap;width:{_percent(bar.end - bar.start, steps)};background:{bar.colour}">{bar.word}</div>'
        for bar in lane.bars
    )
    return (
        f'<div>{lane.name}</div><div style="position:relative;height:1.3em;overflow:hidden;background:{_css(OFF)}">'
        f"{bars}</div>"
    )


def _percent(part: float, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.2f}%"


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
