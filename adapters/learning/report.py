"""What a run of the loop says: lines in the terminal, curves and pictures in TensorBoard, pictures as files."""

import collections
import math
import time
from collections.abc import Mapping
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from hoigym.adapters.learning.learner import FitConfig
from hoigym.core.files import write_atomically
from hoigym.core.progress import format_count, format_seconds

PICTURES = "pictures"


class Report:
    """Means of the training scalars and what validation gives, over steps.

    Args:
        run_dir: folder of the run; curves go to `summaries/`, pictures to `pictures/` too.
        config: of the loop.
        first_step: steps done before this session.
        processes: that train together.
    """

    def __init__(self, run_dir: Path, config: FitConfig, first_step: int, processes: int) -> None:
        purge = first_step + 1 if first_step else None
        self._writer = SummaryWriter(str(run_dir / "summaries"), purge_step=purge)
        self._run_dir, self._config = run_dir, config
        self._per_step = config.batch_size * processes
        self._first = first_step
        self._begin = time.monotonic()
        self._shown_at = -math.inf
        self._sums: dict[str, Tensor] = {}
        self._counts: collections.Counter[str] = collections.Counter()
        self._validated: dict[str, float] = {}

    def add(self, scalars: Mapping[str, Tensor]) -> None:
        """Takes the scalars of one step; they stay on their device until `means`."""
        self._counts.update(scalars.keys())
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value

    def means(self) -> dict[str, float]:
        """Means since the last call, each over the steps that had it."""
        means = {name: float(value) / self._counts[name] for name, value in self._sums.items()}
        self._sums, self._counts = {}, collections.Counter()
        return means

    def write(self, step: int, means: Mapping[str, float], learning_rate: float, final: bool) -> None:
        """Draws the means, and prints a line where it is time. step: steps done."""
        elapsed = time.monotonic() - self._begin
        speed = (step - self._first) * self._per_step / max(elapsed, 1e-9)
        for name, value in means.items():
            self._writer.add_scalar(f"train/{name}", value, step)
        self._writer.add_scalar("train/learning_rate", learning_rate, step)
        self._writer.add_scalar("performance/samples_per_second", speed, step)
        if final or time.monotonic() - self._shown_at >= self._config.progress_seconds:
            self._shown_at = time.monotonic()
            left = format_seconds(self._seconds_left(step, elapsed))
            terms = "  ".join(f"{name} {value:.4g}" for name, value in {**means, **self._validated}.items())
            counts = f"step {step}/{self._config.steps}  {format_count(speed)} samples/s"
            print(f"{counts}  {terms}  lr {learning_rate:.1e}  left {left}", flush=True)

    def validated(self, step: int, results: Mapping[str, float | np.ndarray]) -> None:
        """Draws what validation gave; pictures also become `pictures/<name>_<step>.png`."""
        self._validated = {}
        for name, value in results.items():
            if isinstance(value, np.ndarray):
                self._writer.add_image(f"validation/{name}", value, step, dataformats="HWC")
                self._save(self._run_dir / PICTURES / f"{name}_{step:06d}.png", value)
            else:
                self._writer.add_scalar(f"validation/{name}", value, step)
                self._validated[f"val/{name}"] = float(value)

    def flush(self) -> None:
        """Brings the curves to the disk."""
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _save(self, path: Path, picture: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(iio.imwrite("<bytes>", picture, extension=".png"))

    def _seconds_left(self, step: int, elapsed: float) -> float:
        left = (self._config.steps - step) * elapsed / max(1, step - self._first)
        if self._config.max_minutes:
            left = min(left, max(0.0, 60.0 * self._config.max_minutes - elapsed))
        return left
