"""Where episodes start: reference-state initialisation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from envs.config import EnvConfig
from envs.penetration import hand_ball_penetration
from envs.scene.scene import Scene
from envs.sim.base import StartState
from motions.errors import UserError
from motions.frames import Frames
from motions.library import MotionLibrary
from motions.rotations import normalize

# The first two frames of a clip have no usable velocity, the last leaves nothing to follow.
FIRST_START = 2
_LAST_START = -2
# The published clip weights favour the pick-up skill.
_PICKUP_SKILL, _PICKUP_WEIGHT = 1, 2.0
# Half width [m] of the square, and the greatest height, in which an object without a role starts.
_STRAY_RANGE = 5.0


@dataclass(frozen=True)
class EpisodeStart:
    """Starts of R episodes: the clip and frame (R,) each follows, and the state to put its row into."""

    clip: Tensor
    frame: Tensor
    state: StartState


class ReferenceStart:
    """Draws reference frames as starts.

    A clip is drawn with equal weight among its skill's clips (pick-up counts double), a frame uniformly from
    the clip's third to its last but one; missing frames never.
    """

    def __init__(self, config: EnvConfig, library: MotionLibrary, scene: Scene, generator: torch.Generator):
        self._library = library
        self._scene = scene
        self._generator = generator
        self._frame_clip = torch.repeat_interleave(
            torch.arange(library.num_clips, device=library.device), library.clip_length
        )
        self._stray_skills = torch.tensor(config.objectless_skills, device=library.device)
        allowed = self._allowed(config).float()
        if not allowed.any():
            raise UserError("no start frame is left: loosen start.clip, start.frame or start.max_penetration")
        per_clip = torch.zeros_like(library.clip_length, dtype=torch.float32)
        per_clip.index_add_(0, self._frame_clip, allowed)
        self.frame_weight = allowed * (_clip_weight(library) / per_clip.clamp_min(1.0))[self._frame_clip]

    def draw(self, count: int) -> EpisodeStart:
        """count starts."""
        row = torch.multinomial(self.frame_weight, count, replacement=True, generator=self._generator)
        clip = self._frame_clip[row]
        frame = row - self._library.clip_start[clip]
        stray = torch.isin(self._library.clip_skill[clip], self._stray_skills)
        return EpisodeStart(clip, frame, self._state(self._library.reference(row), stray))

    def _allowed(self, config: EnvConfig) -> Tensor:
        library, start = self._library, config.start
        frame = torch.arange(library.num_frames, device=library.device) - library.clip_start[self._frame_clip]
        last = library.clip_length[self._frame_clip] + _LAST_START
        allowed = library.valid & (frame >= FIRST_START) & (frame <= last)
        if start.clip is not None:
            if not 0 <= start.clip < library.num_clips:
                raise UserError(f"start.clip {start.clip}: the library has clips 0 to {library.num_clips - 1}")
            allowed &= self._frame_clip == start.clip
        if start.frame is not None:
            if start.frame < FIRST_START:
                raise UserError(f"start.frame {start.frame}: the first usable frame is {FIRST_START}")
            allowed &= frame == start.frame
        if start.max_penetration is not None:
            allowed &= self._penetration() <= start.max_penetration
        return allowed

    def _penetration(self) -> Tensor:
        library = self._library
        frames = library.reference(torch.arange(library.num_frames, device=library.device))
        depth = torch.full((library.num_frames,), -torch.inf, device=library.device)
        for slot, ball in enumerate(self._scene.config.objects):
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

    def _state(self, frames: Frames, stray: Tensor) -> StartState:
        objects = self._scene.num_objects
        state = StartState(
            root_pos=frames.root_pos.clone(),
            root_quat=frames.root_quat.clone(),
            root_lin_vel=frames.root_lin_vel.clone(),
            root_ang_vel=frames.root_ang_vel.clone(),
            joint_rot=frames.joint_rot.clone(),
            joint_vel=frames.joint_vel.clone(),
            object_pos=frames.object_pos[:, :objects].clone(),
            object_quat=frames.object_quat[:, :objects].clone(),
            object_lin_vel=frames.object_lin_vel[:, :objects].clone(),
            object_ang_vel=frames.object_ang_vel[:, :objects].clone(),
        )
        if objects:
            self._scatter_objects(state, stray)
        return state

    def _scatter_objects(self, state: StartState, stray: Tensor) -> None:
        """Objects of skills that use none start anywhere above the ground around the humanoid, at any speed up to
        5 m/s, so that a policy learns to ignore them."""
        where = stray.view(-1, 1, 1)
        uniform = self._uniform(state.object_pos)
        lowest = max(ball.radius for ball in self._scene.config.objects)
        pos = (2 * uniform - 1) * _STRAY_RANGE
        pos[..., :2] += state.root_pos[:, None, :2]
        pos[..., 2] = lowest + uniform[..., 2] * (_STRAY_RANGE - lowest)
        quat = normalize(torch.randn(state.object_quat.shape, generator=self._generator, device=pos.device))
        state.object_pos.copy_(torch.where(where, pos, state.object_pos))
        state.object_quat.copy_(torch.where(where, quat, state.object_quat))
        speed = self._uniform(state.object_pos) * 5.0
        state.object_lin_vel.copy_(torch.where(where, speed, state.object_lin_vel))
        state.object_ang_vel.copy_(torch.where(where, self._uniform(state.object_pos) * 0.1, state.object_ang_vel))

    def _uniform(self, like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=self._generator, device=like.device)


def _clip_weight(library: MotionLibrary) -> Tensor:
    """(M,) weight of each clip: skills count alike, the clips of a skill share its weight."""
    skills, inverse, counts = library.clip_skill.unique(return_inverse=True, return_counts=True)
    per_skill = torch.where(skills == _PICKUP_SKILL, _PICKUP_WEIGHT, 1.0) / counts
    return per_skill[inverse]
