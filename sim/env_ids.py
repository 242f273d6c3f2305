"""A selection of rows that costs no host synchronisation on a GPU."""

from dataclasses import dataclass

import torch
from torch import Tensor


def counting_stalls(device: torch.device) -> bool:
    """Whether the host would have to wait for the device to learn how many rows are selected."""
    return device.type != "cpu"


@dataclass(frozen=True)
class Rows:
    """Rows of a batch to be rewritten.

    On the CPU `index` names just the selected rows. On a GPU, where counting them would stall the device,
    `index` names every row, or a fixed number of them, and `mask` tells which of them count. Code computes
    values for `index` and calls `write` or `merged`.

    index: (R,) long. mask: (R,) bool, whether that row is selected.
    """

    index: Tensor
    mask: Tensor

    @staticmethod
    def of(selected: Tensor, most: int | None = None) -> "Rows":
        """Rows where selected (N,) bool is set.

        most: how many rows to name on a GPU, those selected first; further ones are left out.
        """
        if not counting_stalls(selected.device):
            index = selected.nonzero()[:, 0]
            return Rows(index, torch.ones_like(index, dtype=torch.bool))
        if most is None or most >= len(selected):
            return Rows(torch.arange(len(selected), device=selected.device), selected)
        index = torch.argsort(selected.to(torch.uint8), descending=True, stable=True)[:most]
        return Rows(index, selected[index])

    def __len__(self) -> int:
        return len(self.index)

    def write(self, buffer: Tensor, values: Tensor | float) -> None:
        """buffer[selected rows] = values in place; buffer (N, ...), values (R, ...) or one number."""
        if isinstance(values, Tensor):
            values = values.to(buffer.dtype)
        if len(self) < len(buffer):
            if counting_stalls(buffer.device):
                values = torch.where(self._mask_like(buffer), values, buffer[self.index])
            buffer[self.index] = values
        else:  # every row is named, in order
            buffer.copy_(torch.where(self._mask_like(buffer), values, buffer))

    def merged(self, buffer: Tensor, values: Tensor) -> Tensor:
        """buffer (N, ...) with values (R, ...) in the selected rows, as a new tensor."""
        kept = torch.where(self._mask_like(buffer), values, buffer[self.index])
        return buffer.index_copy(0, self.index, kept)

    def _mask_like(self, buffer: Tensor) -> Tensor:
        return self.mask.view(-1, *[1] * (buffer.dim() - 1))

    def write_one(self, buffer: Tensor, which: Tensor, values: Tensor) -> None:
        """buffer[row, which of that row] = values for the selected rows, in place.

        buffer (N, P, ...), which (R,) long, values (R, ...).
        """
        chosen = torch.arange(buffer.shape[1], device=buffer.device) == which[:, None]
        chosen = chosen.view(*chosen.shape, *[1] * (buffer.dim() - 2))
        self.write(buffer, torch.where(chosen, values.to(buffer.dtype).unsqueeze(1), buffer[self.index]))
