"""History buffer: the last second of simulated humanoids, encoded as it grows.

A window that moves on by one frame keeps most of its layer outputs. What changes are the positions that
touch the zero padding at its two ends: the first three and the last three of the third layer. So each
frame keeps two numbers a channel of the first layer and, once its neighbours are known, its third-layer
output; only the ends are computed again. A step then takes about 1/25 of the whole network's
multiplications.

Tensors here are time first: (P, N, channels) for P frames of N windows.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad, relu

from hoigym.hist_encoder.checkpoint import EncoderError, TrainedEncoder
from hoigym.hist_encoder.features import ReferenceHeading, reference_features
from hoigym.hist_encoder.model import HistoryEncoder
from hoigym.motions.library import MotionLibrary

MARGIN = 3
"""Positions at each end of the third layer that the padding touches."""
TAIL = 2 * MARGIN + 1
"""Newest frames that the last positions and the newest settled one depend on."""
HEAD = 2 * MARGIN - 1
"""Oldest frames that the first positions are computed from."""


class StreamingEncoder:
    """The weights of an encoder, rearranged and frozen.

    Raises ValueError for a history of fewer than 7 frames.
    """

    def __init__(self, encoder: HistoryEncoder, device: torch.device) -> None:
        self.shape = encoder.shape
        if self.shape.length < TAIL:
            raise ValueError(f"history of {self.shape.length} frames; expected at least {TAIL}")
        weights = {name: value.detach().to(device, copy=True) for name, value in encoder.state_dict().items()}
        # (D, 3 C1): the products of a frame with the taps that see it as the frame after, itself and the
        # frame before.
        self._first = weights["conv1.weight"].permute(1, 2, 0).flatten(1).contiguous()
        self._first_bias = weights["conv1.bias"]
        self._second = _unfolded(weights["conv2.weight"]), weights["conv2.bias"]
        self._third = _unfolded(weights["conv3.weight"]), weights["conv3.bias"]
        self._set_output(weights["fc.weight"], weights["fc.bias"])

    def products(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What frames (..., D) add to the first layer, (..., C1) each: to the next frame's place, to their
        own (with the bias), to the previous frame's.
        """
        channels = self.shape.channels[0]
        after, own, before = (features @ self._first).split(channels, dim=-1)
        return after, own + self._first_bias, before

    def settled(self, carried: Tensor, own: Tensor) -> Tensor:
        """Third layer (P - 6, N, C3) of the inner frames of a stretch.

        carried: (P, N, C1), what each frame adds to the one after it. own: (P, N, C1), its own part with
        that of the frame after it.
        """
        return self._third_layer(self._second_layer(relu(carried[:-2] + own[1:-1])))

    def first_positions(self, carried: Tensor, own: Tensor) -> Tensor:
        """Third layer (3, N, C3) at a window's first positions, from its oldest five frames, as for
        `settled`.
        """
        first = torch.cat((own[:1], carried[:-1] + own[1:]))
        second = self._second_layer(pad(relu(first), (0, 0, 0, 0, 1, 0)))
        return self._third_layer(pad(second, (0, 0, 0, 0, 1, 0)))

    def last_positions(self, carried: Tensor, own: Tensor) -> Tensor:
        """Third layer (4, N, C3) at a window's last positions, from its newest seven frames, as for
        `settled`: the newest settled frame, then the three that touch the padding.
        """
        second = self._second_layer(pad(relu(carried[:-1] + own[1:]), (0, 0, 0, 0, 0, 1)))
        return self._third_layer(pad(second, (0, 0, 0, 0, 0, 1)))

    def embed(self, inner: Tensor, oldest: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """Embeddings (N, E).

        Args:
            inner: (N, length, C3), third layer of the frames; slot `oldest` holds the oldest frame and
                the others follow round the ring. Its three oldest and three newest frames are not looked
                at.
            oldest: (1,) long, 0 .. length - 1.
            first, last: (3, N, C3), third layer at the first and the last three positions.
        """
        ends = torch.cat((first, last)).transpose(0, 1).flatten(1)
        settled = torch.addmm(self._bias, inner.flatten(1), self._inner_weight.index_select(0, oldest)[0])
        return torch.addmm(settled, ends, self._end_weight)

    def _second_layer(self, first: Tensor) -> Tensor:
        return _convolve(first, *self._second)

    def _third_layer(self, second: Tensor) -> Tensor:
        return _convolve(second, *self._third)

    def _set_output(self, weight: Tensor, bias: Tensor) -> None:
        length, channels = self.shape.length, self.shape.channels[-1]
        by_position = weight.view(-1, channels, length).permute(2, 1, 0)
        inner = by_position.clone()
        inner[:MARGIN] = 0.0
        inner[-MARGIN:] = 0.0
        ends = torch.cat((by_position[:MARGIN], by_position[-MARGIN:]))
        self._end_weight = ends.flatten(0, 1).contiguous()
        # One copy for every place that the oldest frame can have in the ring.
        turned = [inner.roll(oldest, dims=0).flatten(0, 1) for oldest in range(length)]
        self._inner_weight = torch.stack(turned)
        self._bias = bias


def _unfolded(weight: Tensor) -> Tensor:
    """Convolution weights (out, in, 3) as a matrix (3 in, out)."""
    return weight.permute(2, 1, 0).flatten(0, 1).contiguous()


def _convolve(frames: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """ReLU of an unpadded convolution over time: (P, N, in) -> (P - 2, N, out)."""
    neighbours = torch.cat((frames[:-2], frames[1:-1], frames[2:]), dim=-1)
    return torch.addmm(bias, neighbours.flatten(0, 1), weight).relu_().unflatten(0, neighbours.shape[:2])


# --- What the encoder makes of the recorded frames, tabulated once --------------------------------------------------


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


# --- The history of simulated humanoids, encoded as it grows --------------------------------------------------------


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
