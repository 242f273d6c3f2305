"""Live curves of the last seconds."""

from collections import deque
from collections.abc import Mapping

import numpy as np
import viser
from viser import uplot

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
