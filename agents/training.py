"""Training a policy: a run is a folder that can be stopped, killed and resumed."""

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.amp import AMPAgent
from agents.checkpoint import prune_checkpoints
from agents.config import AgentConfig
from agents.ppo import PPOAgent
from agents.progress import EpochReport, ProgressLines, Summaries
from agents.run_state import changed_versions, collect_facts, collect_tensors, restore
from agents.vec_env import TrainingEnv
from motions.checkpoint import list_checkpoints, load_latest, recover_checkpoints, save_checkpoint
from motions.errors import UserError
from motions.run_config import write_config
from motions.stop_signal import StopSignal

FINISHED = "finished"
_AGENTS: Mapping[str, type[PPOAgent]] = {"ppo": PPOAgent, "amp": AMPAgent}
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


def train(
    run_dir: Path,
    env: TrainingEnv,
    config: AgentConfig,
    *,
    task: str,
    run_config: Mapping[str, Any] | None = None,
    resume: bool = False,
    warm_start: Callable[[PPOAgent], None] | None = None,
    measure: Callable[[Policy], Mapping[str, float]] | None = None,
) -> TrainingResult:
    """Train until a limit of the configuration, SIGINT or SIGTERM; each ends with a checkpoint.

    The run is the folder `run_dir`: `config.yaml`, `checkpoints/`, `summaries/`. On the CPU a resumed run
    equals one that was never stopped, bit for bit, provided the environment stores its state exactly.

    Args:
        run_dir: Folder of the run; new, unless `resume`.
        env: Environment to train in; stays open.
        config: Settings of the agent. A resumed run may change all but the network's sizes; an adaptive
            learning rate goes on from where it was.
        task: Name of the task, kept with the policy.
        run_config: What `config.yaml` should say; the agent's settings alone by default.
        resume: Go on from the newest intact checkpoint; where a kill came before the first one, start.
        warm_start: Called with the new agent before the first epoch, not when resuming: a cloning start.
        measure: Called with the mean action, observations (N, O) to actions (N, A), at every checkpoint;
            its numbers become curves, and "success/mean" decides which checkpoint is the best.

    Raises:
        UserError: the folder already holds a run, or has nothing to resume, or does not fit.
        TrainingDiverged: a loss became NaN; the last good checkpoint stays.
    """
    checkpoints = _check_folder(run_dir, resume)
    with _torch_settings(config), StopSignal("epoch") as stop:
        _seed_everything(config.seed)
        agent = _AGENTS[config.kind](env, config)
        agent.init_tensors()
        wall_seconds = 0.0
        if checkpoints:
            checkpoint, complaints = load_latest(run_dir)
            for complaint in complaints:
                print(f"warning: {complaint}; using {checkpoint.path.name}", flush=True)
            if changes := changed_versions(checkpoint):
                print(f"note: no longer bit for bit the same run: {', '.join(changes)}", flush=True)
            env.reset(seed=config.seed)
            restore(agent, env, checkpoint)
            wall_seconds = float(checkpoint.state["wall_seconds"])
        else:
            if warm_start is not None:
                warm_start(agent)
            write_config(run_dir, run_config or {"task": task, "agent": asdict(config)})
            agent.current_obs = env.reset(seed=config.seed)[0]
        summaries = Summaries(run_dir, resumed_at=agent.frame if resume else None)
        try:
            return _Session(run_dir, env, agent, task, summaries, stop, wall_seconds, measure).run()
        finally:
            summaries.close()


class _Session:
    """The epochs of one call of `train`."""

    def __init__(
        self,
        run_dir: Path,
        env: TrainingEnv,
        agent: PPOAgent,
        task: str,
        summaries: Summaries,
        stop: StopSignal,
        wall_seconds: float,
        measure: Callable[[Policy], Mapping[str, float]] | None,
    ) -> None:
        self.run_dir, self.env, self.agent, self.task = run_dir, env, agent, task
        self.config = agent.settings
        self.summaries, self.stop = summaries, stop
        self.measure = measure
        self.lines = ProgressLines(self.config, agent.epoch_num)
        self.diverged = 0
        self.begin = time.monotonic()
        self.earlier_seconds = wall_seconds

    def run(self) -> TrainingResult:
        if self._reason_to_end() == FINISHED:
            epoch = self.agent.epoch_num
            raise UserError(f"{self.run_dir} has finished at epoch {epoch}; raise max_epochs or max_samples")
        while True:
            report = self._epoch()
            self.summaries.write(report)
            reason = self._reason_to_end()
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
        return EpochReport(
            epoch=agent.epoch_num,
            samples=agent.frame,
            samples_per_second=agent.batch_size / seconds,
            shares={name: spent / seconds for name, spent in agent.timer.seconds().items()},
            learning_rate=agent.last_lr,
            rollout=rollout,
            update=update,
            diverged=self.diverged,
        )

    def _save(self, report: EpochReport) -> Path:
        agent = self.agent
        if not all(bool(torch.isfinite(value).all()) for value in agent.model.state_dict().values()):
            self._give_up("a weight became NaN or infinite")
        measured = dict(self.measure(agent.mean_action)) if self.measure else {}
        self.summaries.add(measured, report.samples)
        self.summaries.flush()
        facts = collect_facts(agent, self.earlier_seconds + time.monotonic() - self.begin)
        facts |= {"task": self.task, "mean_reward": report.rollout.reward, "measured": measured}
        path = save_checkpoint(self.run_dir, agent.epoch_num, collect_tensors(agent, self.env), facts)
        prune_checkpoints(self.run_dir, self.config.keep_checkpoints)
        return path

    def _give_up(self, what: str) -> None:
        kept = list_checkpoints(self.run_dir)
        last = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was written yet"
        raise TrainingDiverged(f"training stopped in epoch {self.agent.epoch_num}: {what}; {last}")

    def _reason_to_end(self) -> str | None:
        config, agent = self.config, self.agent
        if agent.epoch_num >= config.max_epochs or 0 < config.max_samples <= agent.frame:
            return FINISHED
        if self.stop.received:
            return "stopped by signal"
        if config.max_minutes and time.monotonic() - self.begin >= 60.0 * config.max_minutes:
            return "time is up"
        return None


@contextlib.contextmanager
def _torch_settings(config: AgentConfig) -> Iterator[None]:
    """Threads and precision of the run, set back afterwards."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.set_float32_matmul_precision("highest" if config.precision == "bfloat16" else config.precision)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def _seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def _check_folder(run_dir: Path, resume: bool) -> bool:
    """Whether there is something to resume. Raises UserError where folder and wish disagree."""
    if resume:
        recover_checkpoints(run_dir)
    checkpoints = list_checkpoints(run_dir)
    if checkpoints and not resume:
        raise UserError(f"{run_dir} already holds a run; resume it, or choose another folder")
    if resume and not checkpoints and not run_dir.is_dir():
        raise UserError(f"there is no run to resume in {run_dir}")
    return bool(checkpoints)
