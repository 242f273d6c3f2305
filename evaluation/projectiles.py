"""Boxes that are thrown at the humanoid while it acts."""

from dataclasses import dataclass, replace

import torch

from envs.config import EnvConfig
from envs.vector_env import HOIVectorEnv


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
