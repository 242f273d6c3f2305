"""Training a policy: a run is a folder that can be stopped, killed and resumed."""

import contextlib
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hoigym.agents.amp import AMPAgent
from hoigym.agents.config import AgentConfig
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.precision import settle_precision
from hoigym.agents.progress import EpochReport, ProgressLines, Summaries, format_measured
from hoigym.agents.rl_games_adapter import TrainingEnv
from hoigym.agents.run_state import (
    best_checkpoint,
    changed_versions,
    collect_facts,
    collect_tensors,
    prune_checkpoints,
    restore,
    restore_policy,
)
from hoigym.agents.stats import EventCounter
from hoigym.core.checkpoint import (
    checkpoint_folder,
    list_checkpoints,
    load_latest,
    recover_checkpoints,
    save_checkpoint,
)
from hoigym.core.device import torch_threads
from hoigym.core.errors import UserError
from hoigym.core.processes import ALONE, Ranks, Stopped, StopSignal
from hoigym.core.run_folder import rewrite_config

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


# --- Training a policy: a run is a folder that can be stopped, killed and resumed -----------------------------------


__all__ = ["TrainingDiverged", "TrainingResult", "train"]

WarmStart = Callable[[PPOAgent, StopSignal], None]
_AGENTS: Mapping[str, type[PPOAgent]] = {"ppo": PPOAgent, "amp": AMPAgent}


def train(
    run_dir: Path,
    env: TrainingEnv,
    config: AgentConfig,
    *,
    task: str,
    run_config: Mapping[str, Any] | None = None,
    resume: bool = False,
    warm_start: WarmStart | None = None,
    measure: Callable[[Policy], Mapping[str, float]] | None = None,
    incidents: Incidents | None = None,
    ranks: Ranks = ALONE,
    begin: float | None = None,
) -> TrainingResult:
    """Train until a limit of the configuration, SIGINT or SIGTERM; each ends with a checkpoint.

    The run is the folder `run_dir`: `config.yaml`, `checkpoints/`, `summaries/`. On the CPU a resumed run
    equals one that was never stopped, bit for bit, provided the environment stores its state exactly. What a
    resumed run changes is in `config.yaml` from then on.

    Args:
        run_dir: Folder of the run; new, unless `resume`.
        env: Environment to train in; stays open.
        config: Settings of the agent; a precision "auto" is measured. A resumed run may change all but the
            network's sizes; an adaptive learning rate goes on from where it was.
        task: Name of the task, kept with the policy.
        run_config: What `config.yaml` should say, the task alone by default; its agent is `config` as it was settled.
        resume: Go on from the newest intact checkpoint; where a kill came before the first one, start.
        warm_start: Called with the new agent before the first epoch, not when there is a checkpoint: a cloning
            start. It may end early, by Stopped, when the signal that it also gets was received.
        measure: Called with the mean action, observations (N, O) to actions (N, A), at every checkpoint;
            its numbers become curves, and "success/mean" decides which checkpoint is the best.
        incidents: Where worlds that diverged can be had from; some are kept in the run's folder `diverged`.
        ranks: The processes that train this run together, each in an environment of its own: one update on
            the samples of all. The first one's environment alone is stored; the others start anew when the
            run is resumed, so they may be more or fewer then.
        begin: `time.monotonic()` from which `max_minutes` counts, where much was prepared before this call.

    Raises:
        UserError: the folder already holds a run, or has nothing to resume, or does not fit.
        TrainingDiverged: a loss became NaN; the last good checkpoint stays.
        Stopped: a signal came during the warm start; the folder can be resumed, and then does it anew.
    """
    begin = time.monotonic() if begin is None else begin
    checkpoints = _check_folder(run_dir, resume, ranks)
    config = ranks.agree(settle_precision(config, env) if ranks.first else config)
    asked = {**(run_config or {"task": task}), "agent": asdict(config)}
    with torch_threads(config.threads), StopSignal("epoch") as stop:
        _seed_everything(ranks.seed(config.seed))
        agent = _AGENTS[config.kind](env, config)
        agent.init_tensors()
        wall_seconds = 0.0
        if checkpoints:
            wall_seconds = _go_on(run_dir, agent, env, ranks)
        else:
            if ranks.first:
                rewrite_config(run_dir, asked, until="epoch_000000")  # what stops from now on can be resumed
            if warm_start is not None:
                _warm_up(agent, warm_start, stop, ranks)
            agent.current_obs = env.reset(seed=ranks.seed(config.seed))[0]
        agent.join(ranks)
        with contextlib.ExitStack() as open_things:
            summaries = None
            if ranks.first:
                summaries = Summaries(run_dir, resumed_at=agent.frame if resume else None)
                open_things.callback(summaries.close)
            session = Session(
                run_dir,
                env,
                agent,
                task=task,
                summaries=summaries,
                stop=stop,
                begin=begin,
                earlier_seconds=wall_seconds,
                measure=measure,
                incidents=incidents,
            )
            session.check_unfinished()
            if ranks.first:
                rewrite_config(run_dir, asked, until=f"epoch_{agent.epoch_num:06d}")
            return session.run()


def _warm_up(agent: PPOAgent, warm_start: WarmStart, stop: StopSignal, ranks: Ranks) -> None:
    """The warm start, in the first process. Raises Stopped in every one where a signal came to the first."""
    stop.what = "step"
    with contextlib.suppress(Stopped):
        if ranks.first:
            warm_start(agent, stop)
    if ranks.agree(stop.received):
        raise Stopped
    stop.what = "epoch"


def _go_on(run_dir: Path, agent: PPOAgent, env: TrainingEnv, ranks: Ranks) -> float:
    """Restores the newest intact checkpoint; wall seconds of the run so far."""
    checkpoint, complaints = load_latest(run_dir)
    if not ranks.first:
        restore_policy(agent, checkpoint)
        seed = ranks.seed(agent.settings.seed, agent.epoch_num)
        _seed_everything(seed)
        agent.current_obs = env.reset(seed=seed)[0]
        return 0.0
    for complaint in complaints:
        print(f"warning: {complaint}; using {checkpoint.path.name}", flush=True)
    if changes := changed_versions(checkpoint):
        print(f"note: no longer bit for bit the same run: {', '.join(changes)}", flush=True)
    env.reset(seed=agent.settings.seed)
    restore(agent, env, checkpoint)
    return float(checkpoint.state["wall_seconds"])


def _seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def _check_folder(run_dir: Path, resume: bool, ranks: Ranks) -> bool:
    """Whether there is something to resume. Raises UserError where folder and wish disagree."""
    if resume and ranks.first:
        recover_checkpoints(run_dir)
    ranks.agree(None)  # nobody looks before that is done
    checkpoints = list_checkpoints(run_dir)
    if checkpoints and not resume:
        raise UserError(f"{run_dir} already holds a run; resume it, or choose another folder")
    if resume and not checkpoints and not run_dir.is_dir():
        raise UserError(f"there is no run to resume in {run_dir}")
    return bool(checkpoints)
