"""The encoder's arithmetic, split so that one more frame costs little.

A window that moves on by one frame keeps most of its layer outputs. What changes are the positions that
touch the zero padding at its two ends: the first three and the last three of the third layer. So each
frame keeps two numbers a channel of the first layer and, once its neighbours are known, its third-layer
output; only the ends are computed again. A step then takes about 1/25 of the whole network's
multiplications.

Tensors here are time first: (P, N, channels) for P frames of N windows.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad, relu

from hist_encoder.model import HistoryEncoder

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
