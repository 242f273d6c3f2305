"""Devices, threads and precision of torch."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch

from hoigym.core.errors import UserError

Precision = Literal["auto", "highest", "high", "medium", "bfloat16"]


def check_device(name: str) -> None:
    """Raises UserError where torch has no such device here."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):  # the latter where torch was built without it
        raise UserError(f"device {name}: there is none here") from None


# --- Settings of torch as a whole, made for a while and set back afterwards -----------------------------------------


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """As many CPU threads; 0 leaves torch's own choice."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def matrix_products(precision: Precision) -> Iterator[None]:
    """Rounds products of float32 matrices as `AgentConfig.precision` says; bfloat16 is autocast's business."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if precision == "bfloat16" else precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
