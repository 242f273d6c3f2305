"""Files of torch.save from elsewhere, read without running anything that they hold.

Checkpoints of other programs also hold objects: settings, paths, callbacks. torch's restricted reader alone refuses
such a file. Here every class and function that it names is replaced by an inert stand-in; only torch's own reader
takes part, and nothing that the file names is imported or called.
"""

import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch


class Unreadable(Exception):
    """Why a file gave nothing, in a few words."""


class StandIn:
    """Takes the place of every object that is neither tensor nor plain container; keeps its state, does nothing."""

    state: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


def _empty_dict(*args: Any) -> OrderedDict[Any, Any]:
    """In place of collections.defaultdict, whose factory is not wanted."""
    return OrderedDict()


_STAND_INS = {"collections.defaultdict": _empty_dict}


def read_torch_file(path: Path) -> Any:
    """What a file of torch.save holds: tensors on the CPU, plain containers, a `StandIn` for every other object.

    Raises Unreadable for a file that is missing, damaged, forbidden or something else.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from None
    try:
        with file, warnings.catch_warnings(action="ignore"):
            named = torch.serialization.get_unsafe_globals_in_checkpoint(file)
            file.seek(0)
            stand_ins: list[Any] = [(_STAND_INS.get(name, StandIn), name) for name in named]
            with torch.serialization.safe_globals(stand_ins):
                return torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # torch reports a damaged or forbidden archive with many exception types
        raise Unreadable("damaged, or not a checkpoint that torch.save wrote") from None
