"""Released checkpoints, read without running anything that they hold.

They are pickles of torch.save around an OmegaConf tree, which torch's restricted reader alone refuses. Here every
class and function that a file names is replaced by an inert stand-in; only torch's own reader takes part.
"""

import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conditioners.uva.error import UVAError


class _StandIn:
    """Takes the place of every object that is neither tensor nor plain container; keeps its state, does nothing."""

    state: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


def _empty_dict(*args: Any) -> OrderedDict[Any, Any]:
    """In place of collections.defaultdict, whose factory is not wanted."""
    return OrderedDict()


_STAND_INS = {"collections.defaultdict": _empty_dict}


def read_published(path: Path) -> dict[str, Any]:
    """What a file of torch.save holds: tensors and plain containers; other objects as inert stand-ins, OmegaConf's
    trees as plain values. Raises UVAError, one line, for a file that is no such thing.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            stand_ins: list[Any] = [(_STAND_INS.get(name, _StandIn), name) for name in named]
            with torch.serialization.safe_globals(stand_ins):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UVAError(f"{path}: {error.strerror or error}") from None
    except Exception:  # torch reports a damaged or forbidden archive with many exception types
        raise UVAError(f"{path}: damaged, or not a checkpoint that torch.save wrote") from None
    if not isinstance(content, dict):
        raise UVAError(f"{path}: holds no named parts")
    return {key: value if _is_weights(value) else _plain(value) for key, value in content.items()}


def weights_in(content: Mapping[str, Any], *places: str) -> dict[str, Tensor] | None:
    """The tensors at a path of keys, "module." left out of their names; None where there are none."""
    value: Any = content
    for place in places:
        value = value.get(place) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping):
        return None
    return {name.replace("module.", ""): item for name, item in value.items() if isinstance(item, Tensor)}


def setting(tree: Any, dotted: str, default: Any = None) -> Any:
    """A value of a plain tree by dotted key, default where it is missing or null."""
    for part in dotted.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return default if tree is None else tree


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(item, Tensor) for item in value.values())


def _plain(value: Any) -> Any:
    """An OmegaConf tree as plain values; nodes hold them in `_val`, containers in `_content`."""
    if isinstance(value, _StandIn):
        state = value.state if isinstance(value.state, Mapping) else {}
        return _plain(state.get("_content", state.get("_val")))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
