"""Recordings on the CPU that hold what a CUDA graph holds: operations and the memory they work on."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class _Tape(TorchDispatchMode):
    """Notes every operation with its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.notes.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        """Does every operation again, on the same memory; nothing of the code around them runs."""
        for func, args, kwargs, result in self.notes:
            if func.is_view:
                continue
            again = func(*args, **kwargs)
            for place, values in zip(_tensors(result), _tensors(again), strict=True):
                if place.data_ptr() != values.data_ptr():
                    place.copy_(values)


def _tensors(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else [value for value in result or () if isinstance(value, Tensor)]


class Tapes:
    """A recorder for `Captured`: recording runs the part, and stands for its first replay.

    made: recordings so far. replays: how often they were played again.
    """

    def __init__(self) -> None:
        self.made = self.replays = 0

    def __call__(self, body: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        with _Tape() as tape:
            result = body()
        self.made += 1
        fresh = True

        def replay() -> None:
            nonlocal fresh
            if not fresh:
                self.replays += 1
                tape.replay()
            fresh = False

        return result, replay
