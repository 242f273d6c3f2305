"""Training of the history encoder: predict the next frame from the last second."""

import json
import logging
import math
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from hoigym.core.files import write_atomically
from hoigym.hist_encoder.checkpoint import EncoderError, save_encoder
from hoigym.hist_encoder.config import EncoderTrainingConfig
from hoigym.hist_encoder.data import HistoryData, objectless_skills, split
from hoigym.hist_encoder.model import EncoderShape, NextFramePredictor
from hoigym.hist_encoder.report import PredictionError, measure, prediction_loss
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary

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


# --- What encoder training says while it runs -----------------------------------------------------------------------


class ProgressLines(pl.Callback):
    """One line of text now and then, the same in a terminal and in a file.

    Args:
        seconds: between lines.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begin = self._last = -math.inf
        self._first_epoch = 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin = time.monotonic()
        self._first_epoch = trainer.current_epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = time.monotonic()
        done = trainer.current_epoch + 1
        final = done == trainer.max_epochs
        if not final and now - self._last < self._seconds:
            return
        self._last = now
        per_epoch = (now - self._begin) / (done - self._first_epoch)
        left = round(per_epoch * ((trainer.max_epochs or done) - done))
        values = trainer.callback_metrics
        line = f"epoch {done}/{trainer.max_epochs}  training loss {values['loss/train']:.5f}"
        if "loss/held_out" in values:
            line += f"  held out {values['loss/held_out']:.5f} (same as now {values['loss/same_as_now']:.5f})"
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        print(f"{line}  lr {lr:.0e}  at most {left // 60}:{left % 60:02d} left", flush=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        print(f"trained for {trainer.current_epoch} epochs", flush=True)


# --- Training of the history encoder: predict the next frame from the last second -----------------------------------


CONFIG_FILE, CHECKPOINTS, SUMMARIES = "config.json", "checkpoints", "summaries"
_BEST, _LAST = "best", "last"
# Epochs between the checkpoints that training can be resumed from.
_SAVE_EVERY = 10


def train(config: EncoderTrainingConfig, run_dir: Path) -> PredictionError | None:
    """Trains an encoder in a new folder, which then holds what `load_encoder` reads, checkpoints and curves.

    Returns:
        Errors over the held-out frames, None where none are held out.

    Raises UserError for bad clips or settings, EncoderError for a folder that holds a run already.
    """
    if (run_dir / CONFIG_FILE).exists():
        raise EncoderError(f"{run_dir}: holds a training run already; choose another folder or resume it")
    library = _library(config)
    frames = _frames(config, library)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        _write_config(run_dir, config, library)
    except OSError as error:
        raise EncoderError(f"{run_dir}: cannot be written ({error.strerror or error})") from None
    return _fit(config, library, frames, run_dir, None)


def resume(run_dir: Path, max_epochs: int | None = None) -> PredictionError | None:
    """Continues the training in a folder from its last checkpoint, to max_epochs where given; returns
    like `train`.

    Raises EncoderError where there is no such training, nothing is left of it to do, or its clips have changed.
    """
    config, content_hash = _read_config(run_dir)
    config = config if max_epochs is None else replace(config, max_epochs=max_epochs)
    library = _library(config)
    if library.content_hash != content_hash:
        raise EncoderError(f"{run_dir}: the clips at {config.motion_file} are not those it was trained on")
    last = run_dir / CHECKPOINTS / f"{_LAST}.ckpt"
    if not last.is_file():
        raise EncoderError(f"{run_dir}: no checkpoint to resume from yet")
    done = _epochs_done(last)
    if done >= config.max_epochs:
        raise EncoderError(f"{run_dir}: has done its {done} epochs; choose a greater max_epochs to go on")
    _write_config(run_dir, config, library)
    return _fit(config, library, _frames(config, library), run_dir, last)


class _Frames(NamedTuple):
    """The frames, and which of them to train on and to hold out, (S1,) and (S2,) rows."""

    data: HistoryData
    samples: Tensor
    held_out: Tensor


def _frames(config: EncoderTrainingConfig, library: MotionLibrary) -> _Frames:
    data = HistoryData.of(library, config.length, objectless_skills(library.skeleton.name, config.objectless_skills))
    samples, held_out = split(data, config.held_out_block, config.held_out_every)
    if not len(samples) or (config.held_out_every and not len(held_out)):
        raise EncoderError(f"{config.motion_file}: too few frames to train on and to hold out")
    return _Frames(data, samples, held_out)


def _epochs_done(checkpoint: Path) -> int:
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)[EPOCHS_DONE])
    except Exception:  # torch reports a damaged archive with many exception types
        raise EncoderError(f"{checkpoint}: damaged, or not a checkpoint of this training") from None


def _fit(
    config: EncoderTrainingConfig, library: MotionLibrary, frames: _Frames, run_dir: Path, checkpoint: Path | None
) -> PredictionError | None:
    data, samples, held_out = frames
    best = _checkpoints(run_dir, _BEST, monitor="loss/held_out" if len(held_out) else "loss/train")
    last = _checkpoints(run_dir, _LAST, every_n_epochs=_SAVE_EVERY)
    begin = time.monotonic()
    with _quiet_lightning(), torch.random.fork_rng():
        torch.manual_seed(config.seed)
        training = EncoderTraining(config, data, samples)
        trainer = _trainer(config, run_dir, [best, last, ProgressLines(config.progress_seconds)])
        validation = DataLoader(TensorDataset(held_out), len(held_out)) if len(held_out) else None
        with _interruptible(trainer):
            trainer.fit(training, val_dataloaders=validation, ckpt_path=checkpoint, weights_only=True)
        trainer.save_checkpoint(run_dir / CHECKPOINTS / f"{_LAST}.ckpt")
        chosen = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        training.load_state_dict(chosen["state_dict"])
    predictor = training.predictor.cpu()
    errors = measure(predictor, data, held_out) if len(held_out) else None
    facts = {
        "clips": {"sha256": library.content_hash, "names": library.clip_names},
        "body_positions": config.body_positions,
        "epochs": trainer.current_epoch,
        "best_epoch": chosen["epoch"] + 1,
        "seconds": round(time.monotonic() - begin, 1),
        "training_samples": len(samples),
        "held_out_samples": len(held_out),
        "held_out": asdict(errors) | {"factors": errors.factors} if errors else None,
    }
    save_encoder(run_dir, predictor, library.skeleton.name, library.num_objects, facts)
    return errors


def _trainer(config: EncoderTrainingConfig, run_dir: Path, callbacks: list[pl.Callback]) -> pl.Trainer:
    return pl.Trainer(
        accelerator={"auto": "auto", "cpu": "cpu", "cuda": "gpu"}[config.device],
        devices=1,
        max_epochs=config.max_epochs,
        logger=TensorBoardLogger(run_dir, name="", version=SUMMARIES),
        callbacks=callbacks,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _checkpoints(run_dir: Path, name: str, **when: Any) -> ModelCheckpoint:
    return ModelCheckpoint(
        dirpath=run_dir / CHECKPOINTS,
        filename=name,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        **when,
    )


def _library(config: EncoderTrainingConfig) -> MotionLibrary:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise EncoderError("device cuda: no NVIDIA GPU is there; use cpu or auto")
    return MotionLibrary(load_clips(config.motion_file), body_positions=config.body_positions)


def _write_config(run_dir: Path, config: EncoderTrainingConfig, library: MotionLibrary) -> None:
    content = {"config": asdict(config), "clips_sha256": library.content_hash}
    with write_atomically(run_dir / CONFIG_FILE) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")


def _read_config(run_dir: Path) -> tuple[EncoderTrainingConfig, str]:
    path = run_dir / CONFIG_FILE
    try:
        content = json.loads(path.read_bytes())
        values = content["config"]
        if values["objectless_skills"] is not None:
            values["objectless_skills"] = tuple(values["objectless_skills"])
        return EncoderTrainingConfig(**values), content["clips_sha256"]
    except OSError:
        raise EncoderError(f"{run_dir}: holds no encoder training ({CONFIG_FILE} is not there)") from None
    except (ValueError, KeyError, TypeError):
        raise EncoderError(f"{path}: damaged, or of another version") from None


@contextmanager
def _interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Lets an interrupt end the training as KeyboardInterrupt; Lightning ends the process and ignores more."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from None


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keeps Lightning's advice and notices off the terminal; errors still come through."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            warnings.filterwarnings("ignore", module="lightning_fabric")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
