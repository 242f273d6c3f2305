"""The epochs of one session of a training run, from its start or a checkpoint to whatever ends it."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from agents.checkpoint import best_checkpoint, prune_checkpoints
from agents.events import EventCounter
from agents.ppo import PPOAgent
from agents.progress import EpochReport, ProgressLines, Summaries, format_measured
from agents.run_state import collect_facts, collect_tensors
from agents.vec_env import TrainingEnv
from motions.checkpoint import checkpoint_folder, list_checkpoints, save_checkpoint
from motions.errors import UserError
from motions.stop_signal import StopSignal

FINISHED = "finished"
INCIDENTS = "diverged"
"""Folder in a run's, of worlds that blew up."""
Policy = Callable[[Tensor], Tensor]


class TrainingDiverged(UserError):
    """A loss or a weight is no longer a number."""


@dataclass(frozen=True)
class TrainingResult:
    """How a session of a run ended.

    Attributes:
        run_dir: Folder of the run.
        checkpoint: The checkpoint written last.
        epoch: Epochs done by the run.
        samples: Samples seen by the run.
        reason: "finished", "time is up" or "stopped by signal".
        mean_reward: Mean reward per step of the last epoch.
    """

    run_dir: Path
    checkpoint: Path
    epoch: int
    samples: int
    reason: str
    mean_reward: float


class Incidents(Protocol):
    """What an environment keeps of worlds that diverged."""

    def save(self, folder: Path, name: str) -> list[Path]:
        """Writes some of them into folder, if it does not hold enough; their files."""
        ...


class Session:
    """Runs epochs until a limit or a signal, and saves. Of several processes only the first writes and prints, but
    for worlds that diverged: every one has its own.

    Args:
        run_dir: Folder of the run.
        env: Environment to train in.
        agent: Ready for its next epoch.
        task: Name of the task, kept with the policy.
        summaries: Where curves go; None in processes that write nothing.
        stop: Says whether a signal came.
        begin: `time.monotonic()` when this session began.
        earlier_seconds: Wall time of earlier sessions.
        measure: Called at every checkpoint, as in `train`.
        incidents: Where diverged worlds can be had from.
    """

    def __init__(
        self,
        run_dir: Path,
        env: TrainingEnv,
        agent: PPOAgent,
        *,
        task: str,
        summaries: Summaries | None,
        stop: StopSignal,
        begin: float,
        earlier_seconds: float,
        measure: Callable[[Policy], Mapping[str, float]] | None,
        incidents: Incidents | None,
    ) -> None:
        self.run_dir, self.env, self.agent, self.task = run_dir, env, agent, task
        self.config, self.ranks = agent.settings, agent.ranks
        self.summaries, self.stop = summaries, stop
        self.measure, self.incidents = measure, incidents
        self.lines = ProgressLines(self.config, agent.epoch_num, begin)
        self.counter = EventCounter(env, self.ranks)
        self.diverged = 0
        self.begin, self.earlier_seconds = begin, earlier_seconds

    def check_unfinished(self) -> None:
        """Raises UserError where nothing is left to do."""
        if self._reason_to_end() == FINISHED:
            epoch = self.agent.epoch_num
            raise UserError(f"{self.run_dir} has finished at epoch {epoch}; raise max_epochs or max_samples")

    def run(self) -> TrainingResult:
        """Raises TrainingDiverged where a loss is no number any more."""
        while True:
            report = self._epoch()
            reason = self._reason_to_end()
            if self.summaries:
                self.summaries.write(report)
                self.lines.show(report, final=reason is not None)
            if reason or report.epoch % self.config.save_every == 0:
                checkpoint = self._save(report)
                if reason:
                    return TrainingResult(
                        self.run_dir, checkpoint, report.epoch, report.samples, reason, report.rollout.reward
                    )

    def _epoch(self) -> EpochReport:
        agent = self.agent
        begin = time.perf_counter()
        rollout, update = agent.train_epoch()
        seconds = time.perf_counter() - begin
        for name, value in asdict(update).items():
            if not math.isfinite(value):
                self._give_up(f"{name} became {value}")
        self.diverged += rollout.diverged
        if rollout.diverged:
            self._keep_incidents()
        return EpochReport(
            epoch=agent.epoch_num,
            samples=agent.frame,
            samples_per_second=agent.batch_size * self.ranks.count / seconds,
            shares={name: spent / seconds for name, spent in agent.timer.seconds().items()},
            learning_rate=agent.last_lr,
            rollout=rollout,
            update=update,
            diverged=self.diverged,
            events=self.counter.collect(),
            event_totals=self.counter.totals,
        )

    def _keep_incidents(self) -> None:
        if self.incidents:
            name = f"epoch_{self.agent.epoch_num:06d}"
            name += "" if self.ranks.first else f"_process_{self.ranks.number}"
            for path in self.incidents.save(self.run_dir / INCIDENTS, name):
                print(f"note: a world diverged; its last frames are {path}", flush=True)

    def _save(self, report: EpochReport) -> Path:
        agent = self.agent
        if not all(bool(torch.isfinite(value).all()) for value in agent.model.state_dict().values()):
            self._give_up("a weight became NaN or infinite")
        if not self.summaries:
            return checkpoint_folder(self.run_dir)
        measured = dict(self.measure(agent.mean_action)) if self.measure else {}
        self.summaries.add(measured, report.samples)
        self.summaries.flush()
        facts = collect_facts(agent, self.earlier_seconds + time.monotonic() - self.begin)
        facts |= {"task": self.task, "mean_reward": report.rollout.reward, "measured": measured}
        path = save_checkpoint(self.run_dir, agent.epoch_num, collect_tensors(agent, self.env), facts)
        prune_checkpoints(self.run_dir, self.config.keep_checkpoints)
        if measured:
            print(format_measured(measured, best_checkpoint(self.run_dir)), flush=True)
        return path

    def _give_up(self, what: str) -> None:
        kept = list_checkpoints(self.run_dir)
        last = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was written yet"
        raise TrainingDiverged(f"training stopped in epoch {self.agent.epoch_num}: {what}; {last}")

    def _reason_to_end(self) -> str | None:
        """The same in every process: clocks and signals are those of the first."""
        config, agent = self.config, self.agent
        reason = None
        if agent.epoch_num >= config.max_epochs or 0 < config.max_samples <= agent.frame:
            reason = FINISHED
        elif self.stop.received:
            reason = "stopped by signal"
        elif config.max_minutes and time.monotonic() - self.begin >= 60.0 * config.max_minutes:
            reason = "time is up"
        return self.ranks.agree(reason)
