"""Viewer protocol: whoever shows clips or rollouts speaks it, whoever draws them implements it.

viewer.begin(setup)            what is to be seen, again whenever that changes
viewer.show(moments)           once a step, one moment for each figure
viewer.idle()                  now and then while nothing moves
viewer.closed                  the audience has left
viewer.close()                 finish; also the end of a `with` block
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hoigym.motions.skeleton import Skeleton
from hoigym.rendering.pose import Colour, ObjectLook, Pose


@dataclass(frozen=True)
class Track:
    """A path in space, known beforehand: points (T, 3) [m]."""

    points: np.ndarray
    colour: Colour


@dataclass(frozen=True)
class Setup:
    """What is about to be shown: figures of one skeleton with objects, `steps` moments of each, dt [s] apart.

    ghost: whether moments carry one. projectiles: boxes that may be thrown, in the order of `Pose.projectile_pos`.
    tracks: paths to draw on the floor and in the air.
    """

    skeleton: Skeleton
    objects: tuple[ObjectLook, ...]
    figures: int
    dt: float
    steps: int
    ghost: bool = False
    projectiles: tuple[ObjectLook, ...] = ()
    tracks: tuple[Track, ...] = ()


@dataclass(frozen=True)
class Moment:
    """One figure at one step.

    ghost: where the reference is. skill, caption: what is shown, in large and in small letters. time: since
    the begin [s]. label: the reference says that a hand holds an object; touch: a hand touches one. reward
    and its terms: of the step, where there are any. skill_id: -1 where the skill has none. begins: its episode
    has just begun, where it may be somewhere else than a step before.
    """

    pose: Pose
    skill: str
    caption: str
    time: float
    label: bool
    touch: bool
    ghost: Pose | None = None
    reward: float | None = None
    reward_terms: Mapping[str, float] = field(default_factory=dict)
    skill_id: int = -1
    begins: bool = False


class Viewer(ABC):
    """Shows figures step by step."""

    @abstractmethod
    def begin(self, setup: Setup) -> None:
        """Gets ready for moments of setup; called again when another clip or scene follows."""

    @abstractmethod
    def show(self, moments: Sequence[Moment]) -> None:
        """Shows the next step, one moment for each of setup.figures; returns when the next may come."""

    def idle(self) -> None:  # noqa: B027 - files have no audience
        """Called every few hundredths of a second while nothing moves, so that the audience can go on looking."""

    @property
    def closed(self) -> bool:
        """Whether nobody looks any more."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Finishes what is shown and frees what it needs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class NullViewer(Viewer):
    """Shows nothing; counts, and leaves after `limit` steps."""

    def __init__(self, limit: int | None = None):
        self.limit = limit
        self.setups: list[Setup] = []
        self.shown: list[Sequence[Moment]] = []

    def begin(self, setup: Setup) -> None:
        self.setups.append(setup)

    def show(self, moments: Sequence[Moment]) -> None:
        self.shown.append(moments)

    @property
    def closed(self) -> bool:
        return self.limit is not None and len(self.shown) >= self.limit

    def close(self) -> None:
        pass


# --- A progress line around any viewer ------------------------------------------------------------------------------


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
