"""A selection of rows that costs no host synchronisation on a GPU."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Rows of a batch to be rewritten.

    On the CPU `index` names just the selected rows. On a GPU, where counting them would stall the device,
    `index` names every row and `mask` tells which of them count. Code computes values for `index` and calls
    `write`.

    index: (R,) long. mask: (R,) bool, whether that row is selected.
    """

    index: Tensor
    mask: Tensor

    @staticmethod
    def of(selected: Tensor) -> "Rows":
        """Rows where selected (N,) bool is set."""
        if selected.device.type == "cpu":
            index = selected.nonzero()[:, 0]
            return Rows(index, torch.ones_like(index, dtype=torch.bool))
        return Rows(torch.arange(len(selected), device=selected.device), selected)

    def __len__(self) -> int:
        return len(self.index)

    def write(self, buffer: Tensor, values: Tensor | float) -> None:
        """buffer[selected rows] = values in place; buffer (N, ...), values (R, ...) or one number."""
        if isinstance(values, Tensor):
            values = values.to(buffer.dtype)
        if len(self) < len(buffer):
            buffer[self.index] = values
        else:  # every row is named, in order
            mask = self.mask.view(-1, *[1] * (buffer.dim() - 1))
            buffer.copy_(torch.where(mask, values, buffer))
