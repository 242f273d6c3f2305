"""Encoders with random weights, and histories kept the plain way."""

import torch
from torch import Tensor

from hoigym.hist_encoder.checkpoint import TrainedEncoder
from hoigym.hist_encoder.features import feature_width
from hoigym.hist_encoder.model import EncoderShape, NextFramePredictor
from hoigym.motions.library import MotionLibrary
from tests.motions.clips import blanked, random_clip

SMALL = (12, 10, 8)


def random_encoder(skeleton: str = "mocap", objects: int = 1, predict_change: bool = True, **shape) -> TrainedEncoder:
    """A frozen encoder for the clips of `random_library`; shape: sizes other than the published ones."""
    torch.manual_seed(3)
    bodies = {"mocap": 53, "parahome": 61}[skeleton]
    predictor = NextFramePredictor(EncoderShape(feature_width(bodies, objects), **shape), predict_change)
    predictor.eval().requires_grad_(False)
    return TrainedEncoder(
        network=predictor.history_encoder,
        predictor=predictor,
        skeleton=skeleton,
        object_slots=objects,
        facts={},
    )


def random_library(skeleton: str = "mocap", objects: int = 1) -> MotionLibrary:
    """Clips of 20, 90 and 41 frames; the second misses two frames."""
    lengths = (20, 90, 41)
    clips = [random_clip(seed, frames, skeleton, objects) for seed, frames in enumerate(lengths)]
    return MotionLibrary([clips[0], blanked(clips[1], [33, 60]), clips[2]])


def window_before(features: Tensor, library: MotionLibrary, clip: int, frame: int, length: int) -> list[Tensor]:
    """The features (D,) of the frames before a frame, oldest first, zeros where the clip has none."""
    start = int(library.clip_start[clip])
    empty = torch.zeros(features.shape[1])
    return [features[start + past] if past >= 0 else empty for past in range(frame - length, frame)]


class PlainHistory:
    """One list of frames a row; encodes them from scratch with the network itself."""

    def __init__(self, encoder: TrainedEncoder, rows: int, width: int) -> None:
        self._encoder = encoder.network
        self._length = encoder.network.shape.length
        self.frames = [[torch.zeros(width)] * self._length for _ in range(rows)]

    def push(self, features: Tensor) -> None:
        for frames, newest in zip(self.frames, features, strict=True):
            frames.pop(0)
            frames.append(newest)

    @property
    def embedding(self) -> Tensor:
        return self._encoder(torch.stack([torch.stack(frames) for frames in self.frames]))
