"""Training a policy: a run is a folder that can be stopped, killed and resumed."""

import contextlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.amp import AMPAgent
from agents.config import AgentConfig
from agents.ppo import PPOAgent
from agents.precision import settle_precision
from agents.progress import Summaries
from agents.ranks import ALONE, Ranks
from agents.run_state import changed_versions, restore, restore_policy
from agents.session import Incidents, Policy, Session, TrainingDiverged, TrainingResult
from agents.torch_settings import torch_threads
from agents.vec_env import TrainingEnv
from motions.checkpoint import list_checkpoints, load_latest, recover_checkpoints
from motions.errors import UserError
from motions.run_config import rewrite_config
from motions.stop_signal import Stopped, StopSignal

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
        run_config: What `config.yaml` should say; the agent's settings alone by default.
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
    asked = run_config or {"task": task, "agent": asdict(config)}
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
