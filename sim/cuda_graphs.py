"""Parts of a control step as CUDA graphs: hundreds of small kernels launched as one."""

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, TypeVarTuple

import torch
from torch import Tensor

from hoigym.core.errors import UserError

T = TypeVar("T")
Given = TypeVarTuple("Given")

Recorder = Callable[[Callable[[], Any]], tuple[Any, Callable[[], None]]]
"""Notes what a function does on the device without doing it: gives its results, and what does it all.

Every replay does the same operations on the same memory and writes the same results anew.
"""


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Memory freed by chance while a CUDA graph is captured would spoil it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def cuda_graphs(generators: Sequence[torch.Generator]) -> Recorder:
    """Records CUDA graphs, in which draws of the generators go on from replay to replay as they would without.

    Recording raises UserError where something cannot be part of a graph.
    """

    def record(body: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        try:
            # Other threads, such as a viewer's, may go on using the device meanwhile.
            with no_garbage_collection(), torch.cuda.graph(graph, capture_error_mode="thread_local"):
                result = body()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"no CUDA graph of this step: {reason}; --env.warp.graphs false does without") from error
        return result, graph.replay

    return record


class Captured(Generic[*Given, T]):
    """A part of the control step that is recorded at its second call and replayed from then on.

    The first call runs as written, so that what is made at first use is there. A recording knows which operations were
    done on which memory, and nothing else. So the part must be called with the same tensors every time, keep what it
    remembers in tensors that it changes in place, and never ask the device; the next call overwrites its results.

    Args:
        part: what to run.
        recorder: how to record it; None runs it as written, always.
    """

    def __init__(self, part: Callable[[*Given], T], recorder: Recorder | None) -> None:
        self._part, self._recorder = part, recorder
        self.forget()

    def forget(self) -> None:
        """The part has become another one: the next call runs as written again."""
        self._ran = False
        self._replay: Callable[[], None] | None = None

    def __call__(self, *given: *Given) -> T:
        """What the part gives. Raises RuntimeError for other tensors than those it was recorded with."""
        if self._recorder is None or not self._ran:
            self._ran = True
            return self._part(*given)
        if self._replay is None:
            self._given = given
            self._result, self._replay = self._recorder(lambda: self._part(*given))
        elif any(now is not then for now, then in zip(given, self._given, strict=True)):
            raise RuntimeError("a recorded part of the step was given other tensors")
        self._replay()
        return self._result


def owned(values: Any) -> Any:
    """values, a tensor or named tuples, lists and dictionaries of them, in memory of their own."""
    if isinstance(values, Tensor):
        return values.clone()
    if isinstance(values, dict):
        return {name: owned(value) for name, value in values.items()}
    if isinstance(values, list):
        return [owned(value) for value in values]
    return type(values)(*map(owned, values))
