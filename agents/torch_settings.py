"""What a run asks of torch as a whole: threads and precision."""

import contextlib
from collections.abc import Iterator

import torch

from agents.config import AgentConfig


@contextlib.contextmanager
def torch_settings(config: AgentConfig) -> Iterator[None]:
    """Threads and precision of a run, set back afterwards."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.set_float32_matmul_precision("highest" if config.precision == "bfloat16" else config.precision)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
