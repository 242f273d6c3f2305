"""What can happen to a humanoid in the middle of a trial."""

from typing import Protocol

import torch

from envs.vector_env import HOIVectorEnv


class Disturbance(Protocol):
    """Strikes all rows of an environment at the same times."""

    def due(self, step: int, fps: float) -> bool:
        """Whether it strikes after so many control steps."""
        ...

    def apply(self, env: HOIVectorEnv, generator: torch.Generator) -> None:
        """Strikes; generator: for what it draws itself."""
        ...
