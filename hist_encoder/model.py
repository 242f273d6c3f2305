"""The networks: the history encoder and the head that it is trained with."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, relu

from hoigym.motions.clip import NUM_SKILLS

KERNEL = 3
HEAD_HIDDEN = (512, 256)


@dataclass(frozen=True)
class EncoderShape:
    """Sizes of an encoder: features a frame, frames of history, channels of the three layers, outputs."""

    features: int
    length: int = 60
    channels: tuple[int, int, int] = (128, 64, 32)
    embedding: int = 3


class HistoryEncoder(nn.Module):
    """Three convolutions over time and one linear layer; 158,051 parameters at the published sizes.

    Args:
        shape: its sizes.
        dropout: share of the first layer's outputs that training drops.
    """

    def __init__(self, shape: EncoderShape, dropout: float = 0.0) -> None:
        super().__init__()
        first, second, third = shape.channels
        self.shape = shape
        self.conv1 = nn.Conv1d(shape.features, first, KERNEL, padding=1)
        self.conv2 = nn.Conv1d(first, second, KERNEL, padding=1)
        self.conv3 = nn.Conv1d(second, third, KERNEL, padding=1)
        self.fc = nn.Linear(third * shape.length, shape.embedding)
        self.dropout = nn.Dropout(dropout)

    def forward(self, window: Tensor) -> Tensor:
        """Windows (N, length, features), oldest frame first, to embeddings (N, embedding)."""
        return self._from_first_layer(self.conv1(window.transpose(1, 2)))

    def encode_frames(self, frames: Tensor, index: Tensor) -> Tensor:
        """The same for windows that share frames, about twice as fast.

        Args:
            frames: (F, features).
            index: (N, length) rows of frames, oldest first.

        Returns:
            (N, embedding).
        """
        # The first layer is a sum of three products a frame; each frame's products are computed once.
        used, place = index.unique(return_inverse=True)
        products = embedding(place, frames[used] @ self.conv1.weight.permute(1, 2, 0).flatten(1))
        before, here, after = products.unflatten(-1, (KERNEL, -1)).unbind(-2)
        first = here + self.conv1.get_parameter("bias")
        first[:, 1:] += before[:, :-1]
        first[:, :-1] += after[:, 1:]
        return self._from_first_layer(first.transpose(1, 2))

    def _from_first_layer(self, first: Tensor) -> Tensor:
        """From the first convolution (N, channels, length) to the embeddings."""
        second = relu(self.conv2(self.dropout(relu(first))))
        return self.fc(relu(self.conv3(second)).flatten(1))


class NextFramePredictor(nn.Module):
    """An encoder and the head that predicts the next frame's features from it, as training needs it.

    The head sees the embedding, the current frame and the skill's one-hot: 409,148 parameters at the
    published sizes.

    Args:
        shape: sizes of the encoder.
        predict_change: whether the head's output is added to the current frame; the published one is not.
        dropout: share of the first layer's outputs and of the head's current frame that training drops.
    """

    def __init__(self, shape: EncoderShape, predict_change: bool, dropout: float = 0.0) -> None:
        super().__init__()
        first, second = HEAD_HIDDEN
        self.predict_change = predict_change
        self.history_encoder = HistoryEncoder(shape, dropout)
        self.fc1 = nn.Linear(shape.embedding + shape.features + NUM_SKILLS, first)
        self.fc2 = nn.Linear(first, second)
        self.fc3 = nn.Linear(second, shape.features)
        self.dropout = nn.Dropout(dropout)

    def forward(self, history: Tensor, current: Tensor, skill: Tensor) -> Tensor:
        """Next frame (N, features), of embeddings (N, embedding), current frame (N, features), skill (N,)."""
        label = nn.functional.one_hot(skill, NUM_SKILLS).to(current.dtype)
        hidden = relu(self.fc1(torch.cat((history, self.dropout(current), label), dim=1)))
        output = self.fc3(relu(self.fc2(hidden)))
        return current + output if self.predict_change else output
