"""Processes: stopping a long run by a signal, and several processes that train one policy as torchrun starts them."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hoigym.core.errors import UserError


class Stopped(Exception):
    """A signal ended something before it was done."""


class StopSignal:
    """Notes SIGINT and SIGTERM, so that the epoch or step under way can end; the second one acts as always.

    what: the thing under way, as it is told to the user; it may change.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.received = False
        self._earlier: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier = {}

    def check(self) -> None:
        """Raises Stopped where a signal came."""
        if self.received:
            raise Stopped

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        self.__exit__()
        os.write(2, f"stopping after this {self.what}; a second signal stops at once\n".encode())


# --- Several processes that train one policy together, as torchrun starts them --------------------------------------


Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """One of the processes; alone where count is 1, and then everything here does nothing.

    number: of this process, from 0. count: of all.
    """

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.number == 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean of values, which have one shape everywhere, over the processes."""
        return self.sum(values) / self.count if self.count > 1 else values

    def sum(self, values: Tensor) -> Tensor:
        """Their sum; the same bits in every process."""
        if self.count > 1:
            values = values.contiguous().clone()
            dist.all_reduce(values)
        return values

    def agree(self, value: Value) -> Value:
        """The first process's value."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def share(self, module: nn.Module) -> None:
        """Gives every process the first one's weights and buffers."""
        if self.count > 1:
            for value in module.state_dict().values():
                dist.broadcast(value, src=0)

    def seed(self, seed: int, epoch: int = 0) -> int:
        """A seed of this process's own: the given one in the first, others that also depend on the epoch elsewhere."""
        return seed if self.first else seed + 100_003 * self.number + epoch


ALONE = Ranks()


@contextmanager
def join_ranks(device: str) -> Iterator[Ranks]:
    """This process among those that torchrun has started, or alone without it.

    device: "cuda": they talk by NCCL, each about the GPU of its local rank, which becomes torch's current one; "cpu":
    by gloo.

    Raises UserError where there is no such GPU, and for one GPU's name, which would be that of all.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    cuda = device.startswith("cuda")
    if cuda and device != "cuda":
        raise UserError(f"torchrun gives every process a GPU of its own: leave warp.device at cuda, not {device}")
    if cuda:
        number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= gpus:
            raise UserError(
                f"torchrun: process {number} has no GPU, there are {gpus}; start no more processes than GPUs"
            )
        torch.cuda.set_device(number)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
