"""Episode starts: on the reference, near it, or where another skill was left."""

import dataclasses
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig, StartConfig
from hoigym.envs.sampling import StartSampler
from hoigym.motions.graph import TrajectoryGraph, align, buffer_frames
from hoigym.motions.graph_build import link_library, published_settings
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.library import MotionLibrary
from hoigym.motions.neighbour import NeighbourSearch, perturb
from hoigym.motions.rotations import normalize, quat_rotate
from hoigym.motions.skeleton import Skeleton
from hoigym.motions.state import MotionState
from hoigym.sim.cuda_graphs import Captured, Recorder
from hoigym.sim.env_ids import Rows, counting_stalls
from hoigym.sim.scene.scene import Scene


def hand_ball_penetration(
    skeleton: Skeleton,
    root_pos: Tensor,
    root_quat: Tensor,
    joint_rot: Tensor,
    ball_pos: Tensor,
    radius: float,
) -> Tensor:
    """Deepest overlap of the hands' capsules with a ball.

    Args:
        skeleton: body table with J joints.
        root_pos, root_quat, joint_rot: poses (F, 3) [m], (F, 4), (F, J, 3) [rad].
        ball_pos: (F, 3) centre of the ball [m].
        radius: of the ball [m].

    Returns:
        (F,) depth [m]; negative where the nearest hand surface is that far from the ball.
    """
    body_pos, body_quat = forward_kinematics(skeleton, root_pos, root_quat, joint_rot)
    capsules = [body for body in skeleton.hands if skeleton.bodies[body].shape.type == "capsule"]
    shapes = [skeleton.bodies[body].shape for body in capsules]
    ends = torch.as_tensor(np.array([shape.fromto for shape in shapes]), dtype=root_pos.dtype, device=root_pos.device)
    radii = ends.new_tensor([shape.size[0] for shape in shapes])
    start = body_pos[:, capsules] + quat_rotate(body_quat[:, capsules], ends[:, :3])
    end = body_pos[:, capsules] + quat_rotate(body_quat[:, capsules], ends[:, 3:])
    distance = _segment_distance(ball_pos.unsqueeze(1), start, end)
    return (radius + radii - distance).amax(dim=1)


def _segment_distance(point: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Distance [m] of points (..., 3) from segments."""
    along = end - start
    share = ((point - start) * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)
    return (point - start - share.clamp(0, 1).unsqueeze(-1) * along).norm(dim=-1)


# --- Which reference frames episodes may start on -------------------------------------------------------------------


FIRST_START = 2
"""The first two frames of a clip have no usable velocity."""
_LAST_START = -2  # the last frame leaves nothing to follow


def start_frames(config: StartConfig, library: MotionLibrary, scene: Scene) -> Tensor:
    """Frames an episode may start on, (F,) bool.

    Those from a clip's third to its last but one that are not missing, narrowed down by clip, frame and penetration.

    Raises UserError for a clip or frame that is not there, and where nothing is left.
    """
    frame = torch.arange(library.num_frames, device=library.device) - library.clip_start[library.frame_clip]
    last = library.clip_length[library.frame_clip] + _LAST_START
    allowed = library.valid & (frame >= FIRST_START) & (frame <= last)
    if config.clip is not None:
        if not 0 <= config.clip < library.num_clips:
            raise UserError(f"start.clip {config.clip}: the library has clips 0 to {library.num_clips - 1}")
        allowed &= library.frame_clip == config.clip
    if config.frame is not None:
        if config.frame < FIRST_START:
            raise UserError(f"start.frame {config.frame}: the first usable frame is {FIRST_START}")
        allowed &= frame == config.frame
    if config.max_penetration is not None:
        allowed &= _penetration(library, scene) <= config.max_penetration
    if not allowed.any():
        raise UserError("no start frame is left: loosen start.clip, start.frame or start.max_penetration")
    return allowed


def _penetration(library: MotionLibrary, scene: Scene) -> Tensor:
    """Deepest overlap of a hand with any ball in every frame, (F,) [m]."""
    frames = library.reference(torch.arange(library.num_frames, device=library.device))
    depth = torch.full((library.num_frames,), -torch.inf, device=library.device)
    for slot, ball in enumerate(scene.config.objects):
        here = hand_ball_penetration(
            library.skeleton,
            frames.root_pos,
            frames.root_quat,
            frames.joint_rot,
            frames.object_pos[:, slot],
            ball.radius,
        )
        depth = torch.maximum(depth, here)
    return depth


# --- Objects that do not start where the reference has them ---------------------------------------------------------


# Half width [m] of the square, and the greatest height, in which an object without a role starts; its speeds.
_STRAY_RANGE, _STRAY_SPEED, _STRAY_SPIN = 5.0, 5.0, 0.1
# Heights [m] and greatest speed along each axis [m/s] of the published test of pick-up (SkillMimic-V2).
_SCATTER_HEIGHT, _SCATTER_SPEED = (0.1, 1.1), 0.5


@dataclass(frozen=True)
class ObjectPlaces:
    """Draws other states for the objects of R humanoids, all from one generator.

    lowest: least height of an object's centre [m], above which it does not touch the ground.
    """

    generator: torch.Generator
    lowest: float

    def stray(self, state: MotionState, where: Tensor) -> MotionState:
        """state with the objects of the rows where (R,) bool anywhere above the ground around the humanoid, at any
        speed: those of skills that use none, so that a policy learns to ignore them."""
        place = self._uniform(state.object_pos)
        pos = (2.0 * place - 1.0) * _STRAY_RANGE
        pos[..., :2] += state.root_pos[:, None, :2]
        pos[..., 2] = self.lowest + place[..., 2] * (_STRAY_RANGE - self.lowest)
        quat = torch.randn(state.object_quat.shape, generator=self.generator, device=pos.device)
        chosen = where.view(-1, 1, 1)
        return replace(
            state,
            object_pos=torch.where(chosen, pos, state.object_pos),
            object_quat=torch.where(chosen, normalize(quat), state.object_quat),
            object_lin_vel=torch.where(chosen, _STRAY_SPEED * self._uniform(pos), state.object_lin_vel),
            object_ang_vel=torch.where(chosen, _STRAY_SPIN * self._uniform(pos), state.object_ang_vel),
        )

    def scattered(self, state: MotionState, where: Tensor, distance: tuple[float, float]) -> MotionState:
        """state with the objects of the rows where (R,) bool in any direction from the root, at a distance [m] within
        these bounds, 0.1 to 1.1 m high and at up to 0.5 m/s along each axis (SkillMimic-V2, the test of pick-up)."""
        draw = self._uniform(state.object_pos)
        away = distance[0] + draw[..., 0] * (distance[1] - distance[0])
        angle = 2.0 * math.pi * draw[..., 1]
        height = _SCATTER_HEIGHT[0] + draw[..., 2] * (_SCATTER_HEIGHT[1] - _SCATTER_HEIGHT[0])
        beside = torch.stack((away * angle.cos(), away * angle.sin()), dim=-1) + state.root_pos[:, None, :2]
        pos = torch.cat((beside, height.clamp_min(self.lowest).unsqueeze(-1)), dim=-1)
        speed = (2.0 * self._uniform(pos) - 1.0) * _SCATTER_SPEED
        chosen = where.view(-1, 1, 1)
        return replace(
            state,
            object_pos=torch.where(chosen, pos, state.object_pos),
            object_lin_vel=torch.where(chosen, speed, state.object_lin_vel),
        )

    def _uniform(self, like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=self.generator, device=like.device)


# --- How episodes start: on the reference, near it, or where another skill was left ---------------------------------


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
        self._stray_skills = torch.tensor(config.without_object, device=library.device)
        self._lying_skills = torch.tensor(config.beginning_on_the_ground, device=library.device)
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
                config.without_object,
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


# --- Starts drawn ahead of need, for devices where a small batch costs as much as a large one -----------------------


_EVERY = 16
"""Steps between two draws; adaptive sampling is late by as many."""


class StartPool:
    """As many starts as there are rows, drawn anew every 16 steps; rows that restart in between take the next ones.

    Nothing waits for the device. Should more rows restart than there are starts left, they share some.

    Args:
        starts: what draws.
        rows: N.
        device: of the rows.
        recorder: of the drawing, as `Captured` takes it.
    """

    def __init__(
        self, starts: EpisodeStarts, rows: int, device: torch.device, recorder: Recorder | None = None
    ) -> None:
        self._starts, self._rows = starts, rows
        self._taken = torch.zeros((), dtype=torch.long, device=device)
        self._pool: EpisodeStart | None = None
        self._fill = Captured(self._draw, recorder)
        self.empty()

    def empty(self) -> None:
        """Forgets what was drawn, as when the random generator begins anew."""
        self._age = _EVERY

    def renew(self) -> None:
        """A step begins: draws where it is time to."""
        if self._age == _EVERY:
            self._fill()
            self._age = 0
        self._age += 1

    def take(self, selected: Tensor) -> EpisodeStart:
        """N starts; they count in the rows selected (N,) bool only."""
        assert self._pool is not None
        order = selected.cumsum(0)
        place = (self._taken + order - 1) % self._rows
        self._taken += order[-1]
        return self._pool[place]

    def _draw(self) -> None:
        drawn = self._starts.draw(self._rows)
        self._taken.zero_()
        if self._pool is None:
            self._pool = drawn
            return
        # Where the first ones lie: a recorded step goes on reading there.
        for place, values in zip(self._pool.tensors(), drawn.tensors(), strict=True):
            place.copy_(values)
