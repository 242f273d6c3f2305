"""Known answers: published networks with random weights, their inputs and outputs."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

CLOSE = 3e-5
"""Limit of `apart` for published float32 networks.

Rounding differs between processors: with SSE4.1 and AVX2, with and without oneDNN, they come to 6e-6 at most. A weight
of the small ISD that is 1 % off shows by 2e-4 at least.
"""


def arrays(shared: Path, name: str) -> dict[str, Tensor]:
    """Arrays of an oracle file as tensors."""
    with np.load(shared / "oracle" / f"uniskill_{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def key_list(shared: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published state."""
    content = json.loads((shared / "oracle" / f"uniskill_{name}_keys.json").read_text())
    return {key: tuple(entry["shape"]) for key, entry in content["keys"].items()}


def own_keys(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def far(left: Tensor, right: Tensor) -> float:
    """Largest difference."""
    assert left.shape == right.shape
    return float((left - right).detach().abs().max())


def apart(left: Tensor, right: Tensor) -> float:
    """Largest difference, relative to the largest of the known numbers on the right."""
    return far(left, right) / float(right.abs().max())
