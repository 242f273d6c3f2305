"""A progress line around any viewer."""

from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from viewer.base import Moment, Setup, Viewer


class ProgressViewer(Viewer):
    """Hands everything on to another viewer and counts steps on the terminal (standard error)."""

    def __init__(self, viewer: Viewer, what: str, steps: int):
        self._viewer = viewer
        self._progress = Progress(
            TextColumn(what),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(what, total=steps)

    def begin(self, setup: Setup) -> None:
        self._viewer.begin(setup)

    def show(self, moments: Sequence[Moment]) -> None:
        self._viewer.show(moments)
        self._progress.advance(self._task)

    @property
    def closed(self) -> bool:
        return self._viewer.closed

    def close(self) -> None:
        self._progress.stop()
        self._viewer.close()

    def __enter__(self) -> Self:
        self._viewer.__enter__()
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()
        self._viewer.__exit__(*exception)
