"""The environment for those who want NumPy arrays."""

from typing import Any

import torch
from gymnasium.vector import VectorWrapper


class NumpyVectorEnv(VectorWrapper):
    """Takes and gives NumPy arrays; tensors inside info become arrays too."""

    def reset(self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None) -> Any:
        return _to_numpy(self.env.reset(seed=seed, options=options))

    def step(self, actions: Any) -> Any:
        return _to_numpy(self.env.step(actions))


def _to_numpy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.cpu().numpy()
    if isinstance(value, dict):
        return {key: _to_numpy(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_to_numpy(item) for item in value)
    return value
