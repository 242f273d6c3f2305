"""Blows that a policy must withstand."""

import dataclasses

import torch

from envs.push import push
from envs.vector_env import HOIVectorEnv


@dataclasses.dataclass(frozen=True)
class Pushes:
    """Every `every` [s] the whole body gains `speed` [m/s] in a random direction over the ground.

    What a projectile of mass m and speed v would give a body of mass M that it sticks to is v m / (m + M); the
    object is not pushed.
    """

    speed: float
    every: float = 1.0

    def due(self, step: int, fps: float) -> bool:
        """Whether there is one after so many control steps."""
        return step > 0 and step % round(self.every * fps) == 0

    def apply(self, env: HOIVectorEnv, generator: torch.Generator) -> None:
        """Pushes every row that has not diverged."""
        angle = 2.0 * torch.pi * torch.rand(env.num_envs, generator=generator, device=env.device)
        push(env.sim, self.speed * torch.stack((angle.cos(), angle.sin()), dim=1))
