"""Objects that do not start where the reference has them."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from motions.rotations import normalize
from motions.state import MotionState

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
