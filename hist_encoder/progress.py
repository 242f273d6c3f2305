"""What encoder training says while it runs."""

import math
import time

import pytorch_lightning as pl


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
