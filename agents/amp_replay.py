"""Motion of earlier rollouts, so that the discriminator does not forget what it has seen through."""

import torch
from torch import Tensor


class ReplayRing:
    """The last windows that were stored, up to a fixed number; the oldest are written over.

    windows: (S, W), of which the first `stored` hold something. next: the slot that is written next.
    """

    def __init__(self, size: int, width: int, device: torch.device) -> None:
        self.windows = torch.zeros(size, width, device=device)
        self.stored = 0
        self.next = 0

    def store(self, windows: Tensor, keep: float) -> None:
        """Adds windows (n, W): all while there is room for them, then a random share `keep`; never more than fit.

        Which ones is drawn by torch's own generator.
        """
        size = len(self.windows)
        wanted = len(windows) if self.stored < size else round(keep * len(windows))
        wanted = min(wanted, size)
        if wanted < len(windows):
            windows = windows[torch.randperm(len(windows), device=windows.device)[:wanted]]
        slots = (self.next + torch.arange(wanted, device=windows.device)) % size
        self.windows[slots] = windows
        self.next = (self.next + wanted) % size
        self.stored = min(size, self.stored + wanted)

    def sample(self, count: int) -> Tensor:
        """Windows (count, W) of those stored, drawn by torch's own generator. Raises ValueError while empty."""
        if not self.stored:
            raise ValueError("nothing is stored yet")
        return self.windows[torch.randint(self.stored, (count,), device=self.windows.device)]

    def state_dict(self) -> dict[str, Tensor]:
        """What an exact continuation needs."""
        return {"windows": self.windows[: self.stored], "next": torch.tensor(self.next)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues with the windows of a ring of the same size; raises ValueError for another one."""
        kept = state["windows"]
        if len(kept) > len(self.windows) or kept.shape[1] != self.windows.shape[1]:
            raise ValueError(f"{tuple(kept.shape)} windows do not fit into {tuple(self.windows.shape)}")
        self.stored = len(kept)
        self.windows[: self.stored] = kept.to(self.windows.device)
        self.next = int(state["next"])
