"""What the encoder makes of the recorded frames, tabulated once."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from hist_encoder.checkpoint import EncoderError, TrainedEncoder
from hist_encoder.features import ReferenceHeading, reference_features
from hist_encoder.streaming import HEAD, MARGIN, TAIL, StreamingEncoder
from motions.library import MotionLibrary

# Windows whose ends are computed at a time.
_CHUNK = 4096


class Past(NamedTuple):
    """The frames before R reference frames, as `StreamingEncoder` wants them, in the slots of a ring.

    carried, own: (length, R, C1); the newest own part has no frame after it. inner: (R, length, C3).
    embedding: (R, E).
    """

    carried: Tensor
    own: Tensor
    inner: Tensor
    embedding: Tensor


class ReferenceHistory:
    """The past of every frame of a library: the frames before it, empty ones (zeros) where its clip has none.

    Args:
        encoder: its weights are copied.
        library: F frames.
        num_objects: how many of the clips' objects there are, all when left out; the encoder's other
            object slots hold zeros.
        reference_heading: as in `reference_features`.

    Raises EncoderError for another skeleton than the encoder's, or more objects than it has room for.

    embedding: (F, E), of the frames before each frame.
    """

    def __init__(
        self,
        encoder: TrainedEncoder,
        library: MotionLibrary,
        num_objects: int | None = None,
        reference_heading: ReferenceHeading = "true",
    ) -> None:
        num_objects = library.num_objects if num_objects is None else num_objects
        _check(encoder, library, num_objects)
        self.object_slots = encoder.object_slots
        self.network = StreamingEncoder(encoder.network, library.device)
        self._length = encoder.network.shape.length
        features = reference_features(library, self.object_slots, reference_heading, num_objects)
        # Every clip stands behind as many empty frames as a history has.
        self._tabulate([pad(clip, (0, 0, self._length, 0)) for clip in features.split(library.clip_length.tolist())])
        self._first = torch.arange(library.num_frames, device=library.device) + self._length * library.frame_clip
        self.embedding = torch.cat([self._embed(first) for first in self._first.split(_CHUNK)])

    def past(self, row: Tensor, oldest: Tensor) -> Past:
        """The past of the frames at library rows row (R,), with the oldest frame in slot `oldest` (1,) long."""
        order = (torch.arange(self._length, device=row.device) - oldest) % self._length
        first = self._first[row]
        frames = first + order[:, None]
        own = self._own[frames]
        newest = (oldest - 1) % self._length
        own.index_copy_(0, newest, self._own_alone[frames.index_select(0, newest)])
        inner = self._inner[first[:, None] + order]
        return Past(self._carried[frames], own, inner, self.embedding[row])

    def _tabulate(self, clips: list[Tensor]) -> None:
        carried, own, alone, inner = [], [], [], []
        for clip in clips:
            after, own_part, before = self.network.products(clip)
            closed = own_part + pad(before[1:], (0, 0, 0, 1))
            settled = self.network.settled(after[:, None], closed[:, None])[:, 0]
            carried.append(after)
            own.append(closed)
            alone.append(own_part)
            inner.append(pad(settled, (0, 0, MARGIN, MARGIN)))
        self._carried, self._own, self._own_alone, self._inner = map(torch.cat, (carried, own, alone, inner))

    def _embed(self, first: Tensor) -> Tensor:
        """Embeddings of the windows that begin at rows first (R,) of the tables."""
        steps = torch.arange(self._length, device=first.device)[:, None]
        head, tail = first + steps[:HEAD], first + steps[-TAIL:]
        own = torch.cat((self._own[tail[:-1]], self._own_alone[tail[-1:]]))
        return self.network.embed(
            self._inner[first[:, None] + steps[:, 0]],
            oldest=torch.zeros(1, dtype=torch.long, device=first.device),
            first=self.network.first_positions(self._carried[head], self._own[head]),
            last=self.network.last_positions(self._carried[tail], own)[1:],
        )


def _check(encoder: TrainedEncoder, library: MotionLibrary, num_objects: int) -> None:
    if library.skeleton.name != encoder.skeleton:
        raise EncoderError(
            f"history encoder: made for the {encoder.skeleton} skeleton, the clips have that of {library.skeleton.name}"
        )
    if num_objects > encoder.object_slots:
        raise EncoderError(f"history encoder: made for {encoder.object_slots} objects, there are {num_objects}")
