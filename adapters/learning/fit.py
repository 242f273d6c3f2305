"""Training on accelerate: a run is a folder that can be stopped, killed and resumed."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hoigym.adapters.learning.learner import (
    Batch,
    EndlessBatches,
    FitConfig,
    FitResult,
    Keyed,
    Learner,
    Samples,
    step_seed,
)
from hoigym.adapters.learning.report import Report
from hoigym.adapters.learning.state import UNIT, AveragedWeights, collect_tensors, restore, restore_scaler, scaler_facts
from hoigym.core.checkpoint import (
    list_checkpoints,
    load_latest,
    prune_checkpoints,
    recover_checkpoints,
    save_checkpoint,
)
from hoigym.core.errors import UserError
from hoigym.core.processes import StopSignal
from hoigym.core.run_folder import write_config

try:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs
except ImportError:
    raise UserError("this training needs accelerate: pip install hoigym[uniskill]") from None

FINISHED = "finished"
_KEPT = ("batch_size", "seed")  # decide which samples a step sees


class LearningError(UserError):
    """A run that cannot start, go on or end well."""


def fit(
    learner: Learner,
    samples: Samples,
    run_dir: Path,
    config: FitConfig,
    resume: bool = False,
    run_config: Mapping[str, Any] | None = None,
) -> FitResult:
    """Trains until the last step, the time limit, SIGINT or SIGTERM; each ends with a checkpoint.

    The run is the folder: `config.yaml`, `checkpoints/`, `summaries/`, `pictures/`. On the CPU a resumed run
    equals one that was never stopped, bit for bit. Started by accelerate's launcher, every process takes its
    share of the samples and the first one writes.

    Args:
        learner: the model.
        samples: what to train on, at least one; see RandomSamples for data that differs at each draw.
        run_dir: new, unless resume.
        config: settings; a resumed run may change them, but not its batch size, seed or ema.
        resume: go on from the newest intact checkpoint; where a kill came before the first one, start.
        run_config: what config.yaml should say; the settings alone by default.

    Raises LearningError for a folder that holds a run already or has none to resume, for no samples, and when
    the loss is no longer a number; CheckpointError where the checkpoint does not fit.
    """
    if not len(samples):
        raise LearningError("nothing to train on: the data set is empty")
    with _accelerator(config) as accelerator, StopSignal("step") as stop:
        fresh = not _check_folder(run_dir, resume, accelerator)
        if fresh and accelerator.is_main_process:
            write_config(run_dir, run_config or {"fit": asdict(config)})
        session = _Session(learner, samples, run_dir, config, accelerator, stop)
        if not fresh:
            session.restore()
        return session.run()


class _Losses(nn.Module):
    """The learner's loss as a forward pass, which is what accelerate spreads over processes."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.module = learner.module
        self._loss = learner.loss

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return self._loss(batch, generator)


class _Session:
    """The steps of one call of `fit`."""

    def __init__(
        self,
        learner: Learner,
        samples: Samples,
        run_dir: Path,
        config: FitConfig,
        accelerator: Accelerator,
        stop: StopSignal,
    ) -> None:
        self.learner, self.samples, self.run_dir, self.config = learner, samples, run_dir, config
        self.accelerator, self.stop = accelerator, stop
        learner.module.to(accelerator.device)
        self.optimizer = learner.optimizer()
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.averaged = AveragedWeights(learner.module) if config.ema else None
        self.step, self.earlier_seconds = 0, 0.0
        self.begin = time.monotonic()
        self.generator = torch.Generator(accelerator.device)

    def restore(self) -> None:
        checkpoint, complaints = load_latest(self.run_dir)
        for complaint in complaints if self.accelerator.is_main_process else []:
            print(f"warning: {complaint}; using {checkpoint.path.name}", flush=True)
        for name in _KEPT:
            made, wanted = checkpoint.state.get(name), getattr(self.config, name)
            if made not in (None, wanted):
                raise LearningError(f"{self.run_dir} was begun with {name} {made}; a resumed run cannot change it")
        self.step = restore(checkpoint, self.learner.module, self.optimizer, self.averaged)
        self.earlier_seconds = float(checkpoint.state["wall_seconds"])
        restore_scaler(self.accelerator.scaler, checkpoint.state)
        if self.step >= self.config.steps:
            raise LearningError(f"{self.run_dir} has finished at step {self.step}; raise the number of steps")

    def run(self) -> FitResult:
        losses, optimizer = self.accelerator.prepare(_Losses(self.learner), self.optimizer)
        batches = self._batches()
        main = self.accelerator.is_main_process
        report = Report(self.run_dir, self.config, self.step, self.accelerator.num_processes) if main else None
        try:
            while True:
                self._train_step(losses, optimizer, next(batches), report)
                self.step += 1
                reason = self._reason_to_end()
                self._say(report, reason is not None)
                if reason or self.step % self.config.save_every == 0:
                    self._save(report)
                if reason:
                    return FitResult(self.step, reason)
        finally:
            if report:
                report.close()

    def _train_step(self, losses: nn.Module, optimizer: Any, batch: Batch, report: Report | None) -> None:
        rank = self.accelerator.process_index
        seed = step_seed(self.config.seed, 2, self.step, rank)
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)
        factor = self.learner.schedule(self.step)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        self.learner.module.train()
        loss, scalars = losses(batch, self.generator)
        self.accelerator.backward(loss)
        if self.config.grad_clip:
            self.accelerator.clip_grad_norm_(self.learner.module.parameters(), self.config.grad_clip)
        optimizer.step()
        optimizer.zero_grad()
        if self.averaged:
            self.averaged.update(self.learner.module, self.step)
        if report:
            report.add({"loss": loss.detach(), **{name: value.detach() for name, value in scalars.items()}})

    def _batches(self) -> Iterator[Batch]:
        accelerator, config = self.accelerator, self.config
        order = EndlessBatches(
            len(self.samples),
            config.batch_size,
            config.seed,
            self.step,
            accelerator.process_index,
            accelerator.num_processes,
        )
        on_gpu = accelerator.device.type == "cuda"
        loader = DataLoader(Keyed(self.samples), batch_sampler=order, num_workers=config.workers, pin_memory=on_gpu)
        for batch in loader:
            yield {name: value.to(accelerator.device, non_blocking=on_gpu) for name, value in batch.items()}

    def _say(self, report: Report | None, final: bool) -> None:
        """Curves, validation and the line in the terminal; only the first process speaks."""
        every = self.config.validate_every
        if every and (final or self.step % every == 0):
            if report:
                report.validated(self.step, self._validate())
            self.accelerator.wait_for_everyone()
        if report and (final or self.step % self.config.log_every == 0):
            means = report.means()
            if not all(math.isfinite(value) for value in means.values()):
                self._give_up(means)
            report.write(self.step, means, self.optimizer.param_groups[0]["lr"], final)

    def _validate(self) -> Mapping[str, Any]:
        module = self.learner.module
        module.eval()
        with torch.no_grad(), self.averaged.applied_to(module) if self.averaged else nullcontext():
            return self.learner.validate(self.step)

    def _save(self, report: Report | None) -> None:
        if report:
            report.flush()
            facts = {"wall_seconds": self.earlier_seconds + time.monotonic() - self.begin}
            facts |= {name: getattr(self.config, name) for name in _KEPT} | scaler_facts(self.accelerator.scaler)
            tensors = collect_tensors(self.learner.module, self.optimizer, self.averaged)
            if not all(bool(torch.isfinite(value).all()) for name, value in tensors.items() if name[0] == "m"):
                self._give_up({"weight": math.nan})
            save_checkpoint(self.run_dir, self.step, tensors, facts, UNIT)
            prune_checkpoints(self.run_dir, self.config.keep_checkpoints)
        self.accelerator.wait_for_everyone()

    def _give_up(self, means: Mapping[str, float]) -> None:
        what = next(name for name, value in means.items() if not math.isfinite(value))
        kept = list_checkpoints(self.run_dir)
        last = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was written yet"
        raise LearningError(f"training stopped by step {self.step}: {what} is no longer a number; {last}")

    def _reason_to_end(self) -> str | None:
        if self.step >= self.config.steps:
            return FINISHED
        limit = 60.0 * self.config.max_minutes
        reasons = ("stopped by signal", "time is up")
        mine = [self.stop.received, bool(limit and time.monotonic() - self.begin >= limit)]
        if self.accelerator.num_processes > 1:
            flags = torch.tensor(mine, dtype=torch.float32, device=self.accelerator.device)
            mine = (self.accelerator.reduce(flags, "sum") > 0).tolist()  # pyright: ignore[reportOperatorIssue]
        return next((reason for reason, applies in zip(reasons, mine, strict=True) if applies), None)


@contextmanager
def _accelerator(config: FitConfig) -> Iterator[Accelerator]:
    """An accelerator of its own for this run; accelerate would keep the settings for the whole process."""
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(cpu=config.device == "cpu", mixed_precision=config.precision, kwargs_handlers=[unused])
    try:
        yield accelerator
    finally:
        if accelerator.num_processes == 1:
            AcceleratorState._reset_state(reset_partial_state=True)


def _check_folder(run_dir: Path, resume: bool, accelerator: Accelerator) -> bool:
    """Whether there is something to resume. Raises LearningError where folder and wish disagree."""
    if resume and accelerator.is_main_process:
        recover_checkpoints(run_dir)
    accelerator.wait_for_everyone()
    checkpoints = list_checkpoints(run_dir)
    if checkpoints and not resume:
        raise LearningError(f"{run_dir} already holds a run; resume it, or choose another folder")
    if resume and not checkpoints and not run_dir.is_dir():
        raise LearningError(f"there is no run to resume in {run_dir}")
    accelerator.wait_for_everyone()
    return bool(checkpoints)
