"""Disturbances: boxes and blows that a policy must withstand in the middle of a trial."""

import dataclasses
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from hoigym.envs.config import EnvConfig
from hoigym.envs.perturbation import push
from hoigym.envs.vector_env import HOIVectorEnv


class Disturbance(Protocol):
    """Strikes all rows of an environment at the same times."""

    def due(self, step: int, fps: float) -> bool:
        """Whether it strikes after so many control steps."""
        ...

    def apply(self, env: HOIVectorEnv, generator: torch.Generator) -> None:
        """Strikes; generator: for what it draws itself."""
        ...


# --- Boxes that are thrown at the humanoid while it acts ------------------------------------------------------------


@dataclass(frozen=True)
class Projectiles:
    """A box at every row at once, `every` [s]; the first one so long after the start, less one step.

    The rhythm is that of `--projtype Auto` of the SkillMimic-V2 release, 61 control steps. Sizes and speeds are the
    environment's (`ProjectileConfig`, `ThrowConfig`).
    """

    every: float = 61 / 60

    def due(self, step: int, fps: float) -> bool:
        """Whether there is one after so many control steps."""
        period = round(self.every * fps)
        return step % period == period - 1

    def apply(self, env: HOIVectorEnv, generator: torch.Generator) -> None:
        """Throws one at every row; the environment draws where from."""
        env.throw()


def with_projectiles(config: EnvConfig) -> EnvConfig:
    """The environment with a box to throw, where it has none."""
    boxes = config.scene.projectiles
    if boxes.count:
        return config
    return replace(config, scene=replace(config.scene, projectiles=replace(boxes, count=1)))


def described(config: EnvConfig) -> str:
    """What is thrown, for people."""
    boxes, throw = config.scene.projectiles, config.throw
    slowest, fastest = throw.speed
    return (
        f"projectiles: boxes of {boxes.size:g} m and {boxes.mass:.3g} kg at {slowest:g} to {fastest:g} m/s, "
        f"spread {throw.spread:g}, every {Projectiles().every:.2f} s"
    )


# --- Blows that a policy must withstand -----------------------------------------------------------------------------


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
