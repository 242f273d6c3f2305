"""How episodes start: on the reference, near it, or where another skill was left."""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from envs.config import EnvConfig
from envs.object_places import ObjectPlaces
from envs.sampling import StartSampler
from envs.scene.scene import Scene
from envs.sim.rows import Rows, counting_stalls
from envs.start_frames import start_frames
from motions.graph import TrajectoryGraph
from motions.graph_build import link_library, published_settings
from motions.library import MotionLibrary
from motions.neighbour import NeighbourSearch
from motions.noise import perturb
from motions.state import MotionState
from motions.stitching import align, buffer_frames


@dataclass(frozen=True)
class EpisodeStart:
    """Starts of R episodes.

    clip, frame: (R,) where on the reference they begin. wait: (R,) steps for which the reference stays at that frame.
    state: what their rows are put into.
    """

    clip: Tensor
    frame: Tensor
    wait: Tensor
    state: MotionState

    def __getitem__(self, rows: Tensor) -> "EpisodeStart":
        """The selected ones."""
        return EpisodeStart(self.clip[rows], self.frame[rows], self.wait[rows], self.state[rows])

    def tensors(self) -> list[Tensor]:
        """All of them, in a fixed order."""
        return [self.clip, self.frame, self.wait, *vars(self.state).values()]


class EpisodeStarts:
    """Draws starts of episodes.

    A start frame comes from the sampler. With probability `noise` the state is then moved into its neighbourhood, and
    the reference starts at the frame of the clip nearest to it; failing that, with probability `switch`, it is the
    state linked to that frame in the trajectory graph, laid over it: that of another skill. Either way the reference
    waits for as many frames as the states are decades of similarity apart. (SkillMimic-V2: state transition field and
    stitched trajectory graph.) Last, with probability `scatter`, the objects are put somewhere else.

    Raises UserError for settings that leave nothing to start on, or a graph of other clips.
    """

    def __init__(self, config: EnvConfig, library: MotionLibrary, scene: Scene, generator: torch.Generator):
        self._library, self._scene, self._generator = library, scene, generator
        self._config = config.start
        self._stray_skills = torch.tensor(config.objectless_skills, device=library.device)
        self._lying_skills = torch.tensor(config.episode.lying_skills, device=library.device)
        allowed = start_frames(config.start, library, scene)
        self.sampler = StartSampler(
            library, allowed, config.start.adaptive, config.start.adaptive_frames, config.start.adaptive_cap
        )
        lowest = max((ball.radius for ball in scene.config.objects), default=0.0)
        self._places = ObjectPlaces(generator, lowest)
        self._search = self._graph = None
        if config.start.noise > 0.0:
            self._search = NeighbourSearch(
                library,
                scene.num_objects,
                config.objectless_skills,
                without_waiting=counting_stalls(library.device),
            )
        if config.start.switch > 0.0:
            self._graph = _graph(config, library)

    def draw(self, count: int, row: Tensor | None = None) -> EpisodeStart:
        """count starts; row: (count,) library rows to start on or near, in place of those of the sampler."""
        library = self._library
        row = self.sampler.draw(count, self._generator) if row is None else row
        clip = library.frame_clip[row]
        frame = row - library.clip_start[clip]
        stray = torch.isin(library.frame_skill[row], self._stray_skills)
        start = EpisodeStart(clip, frame, torch.zeros_like(frame), self._reference_state(row, stray))
        near = self._chance(count, self._config.noise)
        away = self._chance(count, self._config.switch) & ~near
        if self._search is not None:
            start = self._into_neighbourhood(start, Rows.of(near, _at_most(count, self._config.noise)))
        if self._graph is not None:
            start = self._onto_other_skill(start, Rows.of(away, _at_most(count, self._config.switch)), stray)
        if self._config.scatter > 0.0 and self._scene.num_objects:
            moved = self._chance(count, self._config.scatter) & ~stray
            state = self._places.scattered(start.state, moved, self._config.scatter_distance)
            start = dataclasses.replace(start, state=state)
        return start

    def _into_neighbourhood(self, start: EpisodeStart, near: Rows) -> EpisodeStart:
        """Starts with noise in the rows near, and the reference moved to the nearest frame."""
        assert self._search is not None
        if len(near) == 0:
            return start
        clip = start.clip[near.index]
        lying = torch.isin(self._library.clip_skill[clip], self._lying_skills)
        noisy = perturb(start.state[near.index], lying, self._generator)
        found = self._search.find(clip, noisy)
        frame = torch.where(found.frame < 0, start.frame[near.index], found.frame)
        return self._replaced(start, near, noisy, frame, found.similarity)

    def _onto_other_skill(self, start: EpisodeStart, away: Rows, stray: Tensor) -> EpisodeStart:
        """Starts in the linked state of another skill in the rows away that have a link."""
        assert self._graph is not None
        if len(away) == 0:
            return start
        index = away.index
        links = self._graph.sample(start.clip[index], start.frame[index], self._generator)
        # Without a link there is no such clip; whatever frame is looked up then, it is not taken.
        linked = Rows(index, away.mask & (links.similarity > 0))
        state = self._reference_state(self._library.frame_index(links.clip.clamp_min(0), links.frame), stray[index])
        here = start.state[index]
        aligned = align(state, here.root_pos, here.root_quat)
        return self._replaced(start, linked, aligned, start.frame[index], links.similarity)

    def _replaced(
        self, start: EpisodeStart, rows: Rows, state: MotionState, frame: Tensor, similarity: Tensor
    ) -> EpisodeStart:
        """start with other rows: state, frame on the reference, and a wait where buffers are wanted."""
        values = {name: rows.merged(getattr(start.state, name), value) for name, value in vars(state).items()}
        wait = rows.merged(start.wait, buffer_frames(similarity)) if self._config.buffer else start.wait
        return EpisodeStart(start.clip, rows.merged(start.frame, frame), wait, MotionState(**values))

    def _reference_state(self, row: Tensor, stray: Tensor) -> MotionState:
        """The state of library rows (R,); objects of skills without one are scattered where stray (R,)."""
        state = MotionState.of(self._library.reference(row))
        objects = self._scene.num_objects
        names = [field.name for field in dataclasses.fields(MotionState) if field.name.startswith("object_")]
        state = dataclasses.replace(state, **{name: getattr(state, name)[:, :objects] for name in names})
        return self._places.stray(state, stray) if objects else state

    def _chance(self, count: int, probability: float) -> Tensor:
        return torch.rand(count, generator=self._generator, device=self._library.device) < probability


def _at_most(count: int, probability: float) -> int:
    """As many of count draws as happen to be drawn, but for once in 30,000 times (four standard deviations)."""
    spread = math.sqrt(count * probability * (1.0 - probability))
    return min(count, math.ceil(count * probability + 4.0 * spread) + 1)


def _graph(config: EnvConfig, library: MotionLibrary) -> TrajectoryGraph:
    """The graph of the file, or one built now: that takes less than a second for a few thousand frames."""
    if not config.start.graph_file:
        settings = published_settings(library.skeleton.name, body_positions=config.body_positions)
        return link_library(library, settings)
    graph = TrajectoryGraph.load(config.start.graph_file, library.device)
    graph.require(library)
    return graph
