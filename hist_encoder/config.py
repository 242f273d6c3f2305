"""Settings of encoder training."""

from dataclasses import dataclass
from typing import Literal

from hoigym.core.errors import UserError

SHORTEST = 7
"""Frames of the shortest history: the ends of a shorter one would overlap (hist_encoder/buffer.py)."""


@dataclass(frozen=True)
class EncoderTrainingConfig:
    """Train a history encoder on clips."""

    motion_file: str = ""
    """Clip, or folder of clips."""
    body_positions: Literal["kinematics", "stored"] = "kinematics"
    """Body positions: forward kinematics of the clip's joint angles, or as stored in the clip."""
    objectless_skills: tuple[int, ...] | None = None
    """Skills without an object; 0 and 10 for the mocap skeleton, 0 for parahome where not given."""
    length: int = 60
    """Frames of history."""
    embedding: int = 3
    """Numbers that the encoder gives."""
    predict_change: bool = True
    """Whether the training head predicts the change from the current frame; the published one does not."""
    dropout: float = 0.3
    """Share of the first layer's outputs and of the current frame that training drops; the published 0."""
    held_out_block: int = 10
    """Frames are held out for validation in runs of so many."""
    held_out_every: int = 7
    """One run in so many is held out; 0 trains on every frame, as the published training does."""
    batch_size: int = 128
    learning_rate: float = 1e-3
    patience: int = 5
    """Epochs without a lower training loss after which the learning rate drops to a tenth."""
    min_learning_rate: float = 1e-6
    """Training ends when the learning rate has dropped below this."""
    max_epochs: int = 1000
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    progress_seconds: float = 5.0
    """Seconds between lines of progress."""

    def __post_init__(self) -> None:
        if self.length < SHORTEST:
            raise UserError(f"length must be at least {SHORTEST}, not {self.length}")
        if min(self.embedding, self.batch_size, self.held_out_block, self.max_epochs) < 1:
            raise UserError("embedding, batch_size, held_out_block and max_epochs must be at least 1")
        if min(self.held_out_every, self.patience) < 0 or not 0.0 <= self.dropout < 1.0:
            raise UserError("held_out_every and patience must not be negative, and dropout must lie in 0 .. 1")
