"""Weights out of Lightning checkpoints, without running anything that they hold."""

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class Unreadable(Exception):
    """Why a file gave no weights, in a few words."""


class _StandIn:
    """Takes the place of every object that is neither tensor nor plain container; does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors under `state_dict` in a checkpoint of torch.save, on the CPU.

    Lightning checkpoints may also hold objects: arguments, paths, callbacks' own classes. Each is
    replaced by a stand-in, so no class or function that the file names is imported or called.

    Raises Unreadable.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror or error})") from None
    try:
        with warnings.catch_warnings(action="ignore"):
            named = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))
            stand_ins: list[Any] = [(_StandIn, name) for name in named]
            with torch.serialization.safe_globals(stand_ins):
                content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # torch reports a damaged or forbidden archive with many exception types
        raise Unreadable("damaged, or not a checkpoint that torch.save wrote") from None
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise Unreadable("holds no 'state_dict'")
    return {name: value for name, value in weights.items() if isinstance(value, Tensor)}
