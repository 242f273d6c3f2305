"""Released checkpoints: weights, and the settings of an OmegaConf tree as plain values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from conditioners.uva.error import UVAError
from motions.torch_file import StandIn, Unreadable, read_torch_file


def read_published(path: Path) -> dict[Any, Any]:
    """The named parts of a file of torch.save: tensors and plain containers, other objects as inert stand-ins,
    OmegaConf's trees as plain values; nothing in it is run. Raises UVAError, one line, for a file that is no such
    thing.
    """
    try:
        content = read_torch_file(path)
    except Unreadable as error:
        raise UVAError(f"{path}: {error}") from None
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
    weights = {name: item for name, item in value.items() if isinstance(name, str) and isinstance(item, Tensor)}
    return {name.replace("module.", ""): item for name, item in weights.items()}


def setting(tree: Any, dotted: str, default: Any = None) -> Any:
    """A value of a plain tree by dotted key, default where it is missing or null."""
    for part in dotted.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return default if tree is None else tree


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(item, Tensor) for item in value.values())


def _plain(value: Any) -> Any:
    """An OmegaConf tree as plain values; nodes hold them in `_val`, containers in `_content`."""
    if isinstance(value, StandIn):
        state = value.state if isinstance(value.state, Mapping) else {}
        return _plain(state.get("_content", state.get("_val")))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
