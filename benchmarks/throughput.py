"""How fast the raw engine, the environment and the training loop are, measured in one run.

`python run.py bench` calls `measure`. The raw engine does exactly the physics of the environment: it is put into
each state that the environment passed through, with the same controls, and stepped by the same substeps. Rounds
of both alternate, and the median ratio of the rounds counts, so a machine whose speed drifts does no harm.
"""

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hoigym.agents.config import AgentConfig, Precision
from hoigym.agents.ppo import PPOAgent
from hoigym.agents.precision import settle_precision
from hoigym.agents.stats import SectionTimer
from hoigym.benchmarks.raw_engine import RawEngine, raw_engine
from hoigym.core.device import torch_threads
from hoigym.envs.config import EnvConfig
from hoigym.envs.vector_env import HOIVectorEnv

_ROUNDS = 5
# Steps of a round, at most: their states are kept.
_LONGEST_ROUND = 64
# Noise on the feed-forward actions, that of the published policy.
_ACTION_NOISE = 0.055


@dataclass(frozen=True)
class Speed:
    """What was measured of one configuration.

    raw, env [control steps/s over all rows], ppo [samples/s], None where left out; env_ratio: median over the
    rounds of env over raw; ppo_ratio: ppo over raw; shares: of the training time, by section; memory [GiB]: in
    use on the GPU, or held by this process; events: name -> row-steps with such an event, per million; precision:
    of the networks, None where left out.
    """

    task: str
    hands: str
    nv: int
    rows: int
    engine: str
    device: str
    raw: float
    env: float
    env_ratio: float
    ppo: float | None
    ppo_ratio: float | None
    shares: dict[str, float]
    memory: float
    events: dict[str, float]
    precision: Precision | None = None


def measure(env_config: EnvConfig, agent_config: AgentConfig | None, *, seconds: float = 10.0) -> Speed:
    """Speed of a configuration; without agent_config no training is measured.

    seconds: time for engine and environment together, and for training. Raises UserError for a configuration that does
    not fit.
    """
    env = HOIVectorEnv(env_config)
    try:
        raw, stepped, ratio, events = _engine_and_env(env, seconds)
        _free(env.device)  # the states kept for the raw engine are no part of the memory that training takes
        # Settled here, for its line would fall between those of the table.
        agent_config = agent_config and settle_precision(agent_config, env, say=lambda _: None)
        loop, shares = _training(env, agent_config, seconds) if agent_config else (None, {})
        return Speed(
            task=env_config.task,
            hands=env_config.scene.hands,
            nv=env.scene.model.nv,
            rows=env.num_envs,
            engine=env_config.engine,
            device=_name(env.device),
            raw=raw,
            env=stepped,
            env_ratio=ratio,
            ppo=loop,
            ppo_ratio=loop / raw if loop else None,
            shares=shares,
            memory=_memory(env.device),
            events=events,
            precision=agent_config and agent_config.precision,
        )
    finally:
        env.close()
        device = env.device
        del env
        _free(device)


def _engine_and_env(env: HOIVectorEnv, seconds: float) -> tuple[float, float, float, dict[str, float]]:
    """Medians of raw and environment rates, of their ratio, and events per million row-steps."""
    engine = raw_engine(env)
    env.reset(seed=0)
    generator = torch.Generator(env.device).manual_seed(0)
    steps = min(_steps_for(env, generator, seconds / (2 * _ROUNDS)), _LONGEST_ROUND)
    env_rates, raw_rates = [], []
    before = _read(env.sim.counters)
    for _ in range(_ROUNDS):
        timer = SectionTimer(env.device)
        states = [_env_step(env, generator, timer) for _ in range(steps)]
        here = env.sim.snapshot()
        for snapshot, target in states:
            _raw_step(engine, snapshot, target, timer)
        env.sim.restore(here)
        spent = timer.seconds()
        env_rates.append(env.num_envs * steps / spent["env"])
        raw_rates.append(env.num_envs * steps / spent["raw"])
    row_steps = _ROUNDS * steps * env.num_envs
    events = {name: 1e6 * (now - before[name]) / row_steps for name, now in _read(env.sim.counters).items()}
    ratios = [mine / raw for mine, raw in zip(env_rates, raw_rates, strict=True)]
    return statistics.median(raw_rates), statistics.median(env_rates), statistics.median(ratios), events


def _env_step(env: HOIVectorEnv, generator: torch.Generator, timer: SectionTimer) -> tuple[dict[str, Tensor], Tensor]:
    """One timed step; the state that it began in, and its drive targets."""
    actions = _actions(env, generator)
    before = env.sim.snapshot()
    with timer("env"):
        env.step(actions)
    return before, env.drive_targets(actions)


def _raw_step(engine: RawEngine, snapshot: dict[str, Tensor], target: Tensor, timer: SectionTimer) -> None:
    engine.load(snapshot, target)
    with timer("raw"):
        engine.step()


def _training(env: HOIVectorEnv, config: AgentConfig, seconds: float) -> tuple[float, dict[str, float]]:
    """Samples/s of PPO with the threads of config, and what its sections take of the time."""
    with torch_threads(config.threads):
        agent = PPOAgent(env, replace(config, critic_warmup_epochs=0))
        agent.init_tensors()
        agent.current_obs = env.reset(seed=0)[0]
        agent.train_epoch()
        agent.timer.seconds()
        begin, samples = time.perf_counter(), 0
        while samples == 0 or time.perf_counter() - begin < seconds:
            agent.train_epoch()  # its statistics are read at the end, so nothing is left to wait for
            samples += agent.batch_size
        spent = time.perf_counter() - begin
        return samples / spent, {name: part / spent for name, part in agent.timer.seconds().items()}


def _actions(env: HOIVectorEnv, generator: torch.Generator) -> Tensor:
    actions = env.reference_actions()
    return actions + _ACTION_NOISE * torch.randn(actions.shape, generator=generator, device=env.device)


def _steps_for(env: HOIVectorEnv, generator: torch.Generator, seconds: float) -> int:
    """How many steps fill the time; the first ones warm up."""

    def three() -> None:
        for _ in range(3):
            env.step(_actions(env, generator))

    three()
    return max(4, int(3 * seconds / _timed(three, env.device)))


def _timed(work: Callable[[], object], device: torch.device) -> float:
    timer = SectionTimer(device)
    with timer("work"):
        work()
    return timer.seconds()["work"]


def _read(counters: dict[str, Tensor]) -> dict[str, int]:
    return {name: int(total) for name, total in counters.items()}


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _free(device: torch.device) -> None:
    """Gives memory that nobody uses any more back to the GPU."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _memory(device: torch.device) -> float:
    """GiB in use."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return (total - free) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
