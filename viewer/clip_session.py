"""Clips to be looked at at will: any clip, any frame, any speed, two side by side, along the trajectory graph."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hoigym.motions.clip import Clip
from hoigym.motions.graph import TrajectoryGraph
from hoigym.motions.library import MotionLibrary
from hoigym.motions.skeleton import load_skeleton
from hoigym.rendering.camera import FollowCamera
from hoigym.rendering.pose import OBJECTS, Pose
from hoigym.viewer.base import Moment, Setup, Track, Viewer
from hoigym.viewer.controls import Action, Controls
from hoigym.viewer.replay import Placement, clip_moments, clip_setup, placed_over

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
_IDLE = 0.05  # between two looks at the controls while nothing moves [s]
_BESIDE = 1.6  # from the first clip's start to the second's [m]
_PATH = (0.30, 0.34, 0.42)  # of a body, on the floor
_AT_HOME = Placement()


@dataclass(frozen=True)
class Link:
    """A frame that the trajectory graph joins to the present one."""

    clip: int
    frame: int
    similarity: float


class ClipSession:
    """Plays clips in a loop until the viewer is closed; everything else is asked for through controls.

    Attributes: clips, clip (index), frame, playing, speed, beside (index of the clip beside it, or None), link (the
    link that is looked at, or None), jumps (links followed so far).

    Raises GraphError where the graph was built from other clips.
    """

    def __init__(self, clips: Sequence[Clip], controls: Controls, graph: TrajectoryGraph | None = None):
        if graph is not None:
            graph.require(MotionLibrary(list(clips), body_positions=graph.settings.body_positions))
        self.clips, self.controls = list(clips), controls
        self.clip, self.playing, self.speed = 0, True, 1.0
        self.beside: int | None = None
        self.link: Link | None = None
        self.jumps = 0
        self._graph = graph
        self._position = 0.0  # frames; between two of them where time runs slowly
        self._placement = _AT_HOME
        self._left: Pose | None = None  # where the figure stood before it followed a link
        self._changed = True  # what is shown no longer is what is asked for
        self._begun = False
        self.moments = functools.lru_cache(maxsize=16)(self._moments)

    @property
    def frame(self) -> int:
        return int(self._position)

    @property
    def length(self) -> int:
        """Frames of the present clip."""
        return self.clips[self.clip].num_frames

    @property
    def has_graph(self) -> bool:
        return self._graph is not None

    @property
    def links(self) -> list[Link]:
        """From the present frame, the most similar first."""
        if self._graph is None:
            return []
        links = self._graph.links(torch.tensor(self.clip), torch.tensor(self.frame))
        rows = zip(links.clip.tolist(), links.frame.tolist(), links.similarity.tolist(), strict=True)
        return sorted((Link(*row) for row in rows if row[2] > 0), key=lambda link: -link.similarity)

    @property
    def companions(self) -> list[int]:
        """Clips that can be shown beside the present one: those with the same humanoid and objects."""
        mine = _cast(self.clips[self.clip])
        return [index for index, clip in enumerate(self.clips) if index != self.clip and _cast(clip) == mine]

    @property
    def actions(self) -> list[Action]:
        """What keys and buttons can ask for."""
        listed = [
            Action("play / pause", self.toggle, "space"),
            Action("step back", functools.partial(self.step, -1), "arrowleft", held=True),
            Action("step forward", functools.partial(self.step, 1), "arrowright", held=True),
            Action("next clip", functools.partial(self.next_clip, 1), "n", enabled=len(self.clips) > 1),
            Action("previous clip", functools.partial(self.next_clip, -1), "p", enabled=len(self.clips) > 1),
        ]
        if self.has_graph:
            listed.append(Action("jump along the link", self.jump, "j"))
        return listed

    def run(self, viewer: Viewer) -> None:
        """Shows what is asked for until the viewer is closed."""
        while not viewer.closed:
            if not self._begun:
                viewer.begin(self._setup())
                self._begun = self._changed = True
            if self._changed or self.playing:
                self._changed = False
                viewer.show(self._current())
                if self.playing:
                    self._advance()
                self.controls.carry_out()
            elif not self.controls.carry_out(wait=_IDLE):
                viewer.idle()

    def toggle(self) -> None:
        """Plays or pauses."""
        self.playing = not self.playing
        self._changed = True
        if self.playing:
            self.link = self._left = None

    def seek(self, frame: int) -> None:
        """Goes to a frame of the present clip."""
        self._position = float(min(max(frame, 0), self.length - 1))
        self.link = self._left = None
        self._changed = True

    def look_at_frame(self, frame: int) -> None:
        """Pauses at a frame of the present clip."""
        self.playing = False
        self.seek(frame)

    def step(self, frames: int) -> None:
        """Pauses, some frames from here."""
        self.look_at_frame((self.frame + frames) % self.length)

    def choose(self, clip: int) -> None:
        """Starts a clip."""
        self.clip, self.beside = clip, None
        self._placement = _AT_HOME
        self.seek(0)
        self._begun = False

    def next_clip(self, steps: int) -> None:
        """Starts the clip some places further in the list."""
        self.choose((self.clip + steps) % len(self.clips))

    def set_speed(self, speed: float) -> None:
        """How fast time runs; 1 is real time."""
        self.speed = speed

    def put_beside(self, clip: int | None) -> None:
        """Shows another clip next to the present one, or none."""
        self.beside = clip if clip in self.companions else None
        self._begun = False

    def look_at(self, link: Link | None) -> None:
        """Pauses and lays the linked frame over the present one."""
        self.playing = False
        self.link, self._left = link, None
        self._changed = True

    def jump(self) -> None:
        """Goes on in the linked clip, from where the figure stands; along the best link where none is chosen."""
        link = self.link or next(iter(self.links), None)
        if link is None:
            return
        before = self._placement.pose(self.moments(self.clip)[self.frame].pose)
        self.clip, self.beside, self.link = link.clip, None, None
        self._position = float(link.frame)
        self._placement = placed_over(self.moments(link.clip)[link.frame].pose, before)
        self._left = None if self.playing else before
        self.jumps += 1
        self._begun = False

    def contacts(self, clip: int) -> np.ndarray:
        """Contact of a clip, (2, T) bool: by its label, and measured."""
        moments = self.moments(clip)
        return np.array([[moment.label for moment in moments], [moment.touch for moment in moments]])

    def _moments(self, clip: int) -> list[Moment]:
        return clip_moments(self.clips[clip])

    def _setup(self) -> Setup:
        setup = clip_setup(self.clips[self.clip])
        placements = [(self.clip, self._placement)]
        if self.beside is not None:
            placements.append((self.beside, self._second_placement()))
        return replace(
            setup,
            figures=len(placements),
            ghost=self.has_graph,
            tracks=tuple(track for clip, placement in placements for track in self._tracks(clip, placement)),
        )

    def _tracks(self, clip: int, placement: Placement) -> list[Track]:
        poses = [moment.pose for moment in self.moments(clip)]
        body = np.array([pose.body_pos[0] for pose in poses])
        objects = np.array([pose.object_pos for pose in poses]).swapaxes(0, 1)
        floor = body * (1.0, 1.0, 0.0) + (0.0, 0.0, 0.01)
        tracks = [Track(placement.points(floor), _PATH)]
        return tracks + [
            Track(placement.points(points), OBJECTS[slot % len(OBJECTS)]) for slot, points in enumerate(objects)
        ]

    def _current(self) -> list[Moment]:
        moment = self.moments(self.clip)[self.frame]
        pose = self._placement.pose(moment.pose)
        shown = [replace(moment, pose=pose, ghost=self._ghost(pose))]
        if self.beside is not None:
            other = self.moments(self.beside)
            step = int(self.frame / self.clips[self.clip].fps * self.clips[self.beside].fps)
            second = other[min(step, len(other) - 1)]
            shown.append(replace(second, pose=self._second_placement().pose(second.pose)))
        return shown

    def _ghost(self, pose: Pose) -> Pose | None:
        if self.link is None:
            return self._left
        linked = self.moments(self.link.clip)[self.link.frame].pose
        return placed_over(linked, pose).pose(linked)

    def _second_placement(self) -> Placement:
        """The second clip starts to the right of the first one's start, as it is seen, facing as in its file."""
        assert self.beside is not None
        first, second = (self.moments(clip)[0].pose for clip in (self.clip, self.beside))
        first = self._placement.pose(first)
        camera = FollowCamera(load_skeleton(self.clips[self.clip].skeleton), aspect=1.0)
        camera.follow(first, dt=0.0)
        x, y, _ = first.body_pos[0] - second.body_pos[0] + _BESIDE * camera.right
        return Placement(shift=(float(x), float(y), 0.0))

    def _advance(self) -> None:
        self._position += self.speed
        if self._position < self.length:
            return
        self._position %= self.length
        if self._placement != _AT_HOME:
            self._placement, self._begun = _AT_HOME, False


def _cast(clip: Clip) -> tuple:
    setup = clip_setup(clip)
    return setup.skeleton.name, setup.objects
