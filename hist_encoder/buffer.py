"""The history of simulated humanoids, encoded as it grows."""

import torch
from torch import Tensor

from hist_encoder.reference import ReferenceHistory
from hist_encoder.streaming import HEAD, MARGIN, TAIL

_RINGS = ("_carried", "_own", "_inner", "embedding")
_ROW_AXIS = {"_carried": 1, "_own": 1, "_inner": 0, "embedding": 0}


class HistoryBuffer:
    """The last frames of N rows, kept as what the frozen encoder makes of them; never waits for a GPU.

    A control step reads `embedding`, then restarts the rows whose episodes ended, reads it again, and
    last pushes the features of every row's present state: the newest frame that an embedding knows is the
    one before the present. No gradient flows.

    Args:
        reference: the encoder and the pasts that episodes start with.
        num_rows: N; all start with an empty past.

    embedding: (N, E), of the frames before the present one.
    """

    @torch.no_grad()
    def __init__(self, reference: ReferenceHistory, num_rows: int) -> None:
        self._reference = reference
        self._network = reference.network
        self._length = reference.network.shape.length
        # Counting the rows that restart is cheap on the CPU and stalls a GPU.
        self._selects = reference.embedding.device.type == "cpu"
        # Slot of the oldest frame, (1,); the next one is written over it. The same for all rows.
        self._oldest = torch.zeros(1, dtype=torch.long, device=reference.embedding.device)
        # The past of a clip's first frame is empty.
        rows = torch.zeros(num_rows, dtype=torch.long, device=reference.embedding.device)
        self._carried, self._own, self._inner, self.embedding = reference.past(rows, self._oldest)

    @torch.no_grad()
    def restart(self, index: Tensor, mask: Tensor, row: Tensor) -> None:
        """Gives rows the past of reference frames, also rows whose state came from another clip.

        Args:
            index: (R,) long, distinct rows of the buffer.
            mask: (R,) bool, which of them restart; the others keep what they have.
            row: (R,) long, library row of the frame that each episode follows first.
        """
        if self._selects:
            index, row = index[mask], row[mask]
        past = self._reference.past(row, self._oldest)
        for name, values in zip(_RINGS, past, strict=True):
            ring, axis = getattr(self, name), _ROW_AXIS[name]
            if not self._selects:
                shape = [1] * ring.dim()
                shape[axis] = -1
                values = torch.where(mask.view(shape), values, ring.index_select(axis, index))
            ring.index_copy_(axis, index, values)

    @torch.no_grad()
    def push(self, features: Tensor) -> None:
        """Appends the present frame, (N, D) as `frame_features` gives, and encodes anew."""
        after, own, before = self._network.products(features)
        self._own.index_add_(0, (self._oldest - 1) % self._length, before[None])
        self._carried.index_copy_(0, self._oldest, after[None])
        self._own.index_copy_(0, self._oldest, own[None])
        self._oldest.add_(1).remainder_(self._length)
        first = self._network.first_positions(self._stretch(self._carried, 0, HEAD), self._stretch(self._own, 0, HEAD))
        tail = self._length - TAIL
        last = self._network.last_positions(
            self._stretch(self._carried, tail, TAIL), self._stretch(self._own, tail, TAIL)
        )
        settled = (self._oldest - MARGIN - 1) % self._length
        self._inner.index_copy_(1, settled, last[0][:, None])
        self.embedding.copy_(self._network.embed(self._inner, self._oldest, first, last[1:]))

    def state_dict(self) -> dict[str, Tensor]:
        """All that a bit-exact continuation needs."""
        rings = {name.strip("_"): getattr(self, name).clone() for name in _RINGS}
        return rings | {"oldest": self._oldest[0].clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues from the state of a buffer of as many rows and the same encoder."""
        for name in _RINGS:
            getattr(self, name).copy_(state[name.strip("_")])
        self._oldest.fill_(state["oldest"])

    def _stretch(self, ring: Tensor, first: int, count: int) -> Tensor:
        """Frames first .. first + count - 1, counted from the oldest, of a ring (length, N, C)."""
        slots = self._oldest + torch.arange(first, first + count, device=ring.device)
        return ring.index_select(0, slots % self._length)
