"""One training step of the history encoder, in Lightning's terms."""

import math
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from hist_encoder.config import EncoderTrainingConfig
from hist_encoder.data import HistoryData
from hist_encoder.error import measure, prediction_loss
from hist_encoder.model import EncoderShape, NextFramePredictor

EPOCHS_DONE = "epochs_done"
"""Key of a checkpoint: epochs that are over."""
_PLATEAU = "plateau"


class EncoderTraining(pl.LightningModule):
    """The loss, its optimiser and what is logged; `predictor` holds the networks.

    Args:
        config: the settings.
        data: the frames.
        samples: (S,) rows to train on.
    """

    def __init__(self, config: EncoderTrainingConfig, data: HistoryData, samples: Tensor) -> None:
        super().__init__()
        self._config = config
        self._data = data
        self._batches = ShuffledBatches(samples, config.batch_size, config.seed)
        self._epochs_done = 0
        self._plateau_state: dict[str, Any] | None = None
        shape = EncoderShape(data.features.shape[1], config.length, embedding=config.embedding)
        self.predictor = NextFramePredictor(shape, config.predict_change, config.dropout)

    def on_fit_start(self) -> None:
        self._data = self._data.to(self.device)

    def on_train_epoch_start(self) -> None:
        # A resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed(self._config.seed * 1_000_003 + self.current_epoch)

    def training_step(self, row: Tensor) -> Tensor:
        """Loss of the samples row (N,)."""
        data = self._data
        history = self.predictor.history_encoder.encode_frames(data.features, data.history(row))
        predicted = self.predictor(history, data.current(row), data.skill[row])
        loss = prediction_loss(predicted, data.features[row + 1], data.has_object[row], data.object_columns)
        self.log("loss/train", loss, on_step=False, on_epoch=True, batch_size=len(row))
        return loss

    def validation_step(self, batch: list[Tensor]) -> None:
        """Logs the errors of all held-out samples, batch[0] (N,)."""
        (row,) = batch
        errors = measure(self.predictor, self._data, row)
        self.log("loss/held_out", errors.predicted["loss"], batch_size=len(row))
        self.log("loss/same_as_now", errors.same_as_now["loss"], batch_size=len(row))
        self.log_dict({f"factor/{part}": value for part, value in errors.factors.items()}, batch_size=len(row))

    def train_dataloader(self) -> "ShuffledBatches":
        return self._batches

    def on_train_epoch_end(self) -> None:
        self._epochs_done = self.current_epoch + 1
        self._plateau.step(self.trainer.callback_metrics["loss/train"].item())
        rate = self._plateau.optimizer.param_groups[0]["lr"]
        self.log("learning_rate", rate)
        if rate < self._config.min_learning_rate:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = torch.optim.Adam(self.parameters(), lr=self._config.learning_rate)
        # Lightning would step it after the epoch's checkpoint is written, and a resumed run would miss
        # that step.
        self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=self._config.patience)
        if self._plateau_state is not None:
            self._plateau.load_state_dict(self._plateau_state)
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[_PLATEAU] = self._plateau.state_dict()
        checkpoint[EPOCHS_DONE] = self._epochs_done

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._plateau_state = checkpoint[_PLATEAU]
        # Lightning draws the first batches of a resumed run before it tells their epoch.
        self._epochs_done = checkpoint[EPOCHS_DONE]
        self._batches.set_epoch(self._epochs_done)


class ShuffledBatches:
    """Batches of samples (S,) in an order that depends on the seed and the epoch only."""

    def __init__(self, samples: Tensor, batch_size: int, seed: int) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    @property
    def sampler(self) -> "ShuffledBatches":
        """Where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self._samples) / self._batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        order = torch.randperm(len(self._samples), generator=generator)
        return iter(self._samples[order].split(self._batch_size))
