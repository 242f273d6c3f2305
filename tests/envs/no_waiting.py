"""Finds what would make the host wait for a GPU, on a machine that has none."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_COUNTS = {"nonzero", "_local_scalar_dense", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal"}
"""Operations whose result has a size, or is a number, that the host must know."""
_UPLOADS = {"tensor", "as_tensor", "from_numpy", "new_tensor"}
"""What sends numbers of the host to the device; a copy from ordinary memory is waited for."""
_MADE = {"zeros", "ones", "full", "empty", "eye", "arange", "linspace", "rand", "randn", "randint", "randperm"}
"""What is made on the host where no device is named, and then does not meet the rest."""
_READS = {"tolist", "numpy", "cpu", "__array__"}
"""What brings numbers to the host, and cannot be seen below on a CPU."""


class Waits(AssertionError):
    """Something in the code would make the host wait."""


class _Data(TorchDispatchMode):
    """Refuses operations on tensors whose result the host would wait for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        # torch.normal asks whether every standard deviation is positive.
        asks = name == "normal" and any(isinstance(value, Tensor) for value in args[1:2])
        if name in _COUNTS or masks or asks:
            raise Waits(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


class _Traffic(TorchFunctionMode):
    """Refuses to make tensors on the host or from its numbers, to index with lists of them, and to read tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        index = args[1] if name in ("__getitem__", "__setitem__") else ()
        listed = any(isinstance(part, list) for part in (index if isinstance(index, tuple) else (index,)))
        if listed or (name in _UPLOADS and not isinstance(args[0] if name != "new_tensor" else args[1], Tensor)):
            raise Waits(f"{name} sends numbers of the host to the device")
        if name in _MADE and (kwargs or {}).get("device") is None:
            raise Waits(f"{name} makes a tensor on the host")
        if name in _READS:
            raise Waits(f"{name} waits for the device")
        return func(*args, **(kwargs or {}))


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raises Waits for whatever would wait for a GPU."""
    with _Traffic(), _Data():
        yield
