"""In which precision a run's networks are quickest here: measured, for neither a processor's name nor its age tells."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
from gymnasium.spaces import flatdim
from torch import Tensor

from hoigym.agents.config import AgentConfig, Precision, resolve_minibatch_size
from hoigym.agents.network import ActorCritic
from hoigym.agents.rl_games_adapter import TrainingEnv
from hoigym.core.device import matrix_products, torch_threads

Measured = tuple[int, Mapping[Precision, float]]
"""Rows, and seconds of a step on them by precision, the exactest first."""
Measure = Callable[[AgentConfig, TrainingEnv], Measured]

WORTH = 1.1
"""So many times as quick a rounder precision must be: less is not worth its rounding, and may be noise."""
BUDGET = 1.0
"""About the longest that measuring takes [s]; the first step on a few rows is taken in any case."""
_FEWEST_ROWS, _GROWTH, _ROUNDS = 16, 4, 3


def settle_precision(
    config: AgentConfig, env: TrainingEnv, say: Callable[[str], None] | None = None, measure: Measure | None = None
) -> AgentConfig:
    """The configuration with the precision that is quickest on env's device in place of "auto".

    say: told the choice in a line, printed by default. measure: `step_seconds` by default.
    """
    if config.precision != "auto":
        return config
    rows, seconds = (measure or step_seconds)(config, env)
    chosen = quickest(seconds)
    times = ", ".join(f"{name} {1e3 * spent:.3g} ms" for name, spent in seconds.items())
    (say or _print)(f"precision {chosen}: a gradient step on {rows} rows takes {times}")
    return replace(config, precision=chosen)


def quickest(seconds: Mapping[Precision, float]) -> Precision:
    """Of precisions with the seconds of a step, the exactest first, the one to take; see WORTH."""
    chosen, *others = seconds
    for name in others:
        if seconds[name] * WORTH < seconds[chosen]:
            chosen = name
    return chosen


def step_seconds(config: AgentConfig, env: TrainingEnv) -> Measured:
    """Seconds of forward and backward pass of actor and critic in each precision that may be worth it.

    On as many rows of a minibatch as leave it short; random states stay as they were.
    """
    device = env.device
    rounder: tuple[Precision, ...] = ("bfloat16",) if device.type == "cpu" else ("high", "bfloat16")
    with torch_threads(config.threads), _same_random_states(device):
        network = _network(config, env)
        minibatch = resolve_minibatch_size(config, env.num_envs)
        obs = torch.randn(minibatch, flatdim(env.single_observation_space), device=device)
        return _at_most_rows(network, obs, ("highest", *rounder))


def _at_most_rows(network: ActorCritic, obs: Tensor, precisions: tuple[Precision, ...]) -> Measured:
    """Times on more and more rows of obs (N, O), while the next ones fit into the budget."""
    begin, rows = time.perf_counter(), min(_FEWEST_ROWS, len(obs))
    while True:
        seconds = _interleaved(network, obs[:rows], precisions)
        more = min(_GROWTH * rows, len(obs))
        next_cost = (1 + _ROUNDS) * sum(seconds.values()) * more / rows
        if more == rows or time.perf_counter() - begin + next_cost > BUDGET:
            return rows, seconds
        rows = more


def _interleaved(network: ActorCritic, obs: Tensor, precisions: tuple[Precision, ...]) -> dict[Precision, float]:
    """The shortest of a few times each, in turn: what else runs on the machine only makes steps longer."""
    for name in precisions:
        timed_step(network, obs, name)  # the first one prepares kernels
    rounds = [{name: timed_step(network, obs, name) for name in precisions} for _ in range(_ROUNDS)]
    return {name: min(times[name] for times in rounds) for name in precisions}


def timed_step(
    network: ActorCritic, obs: Tensor, precision: Precision, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds of one forward and backward pass on obs (N, O)."""
    device = obs.device
    _wait(device)
    begin = clock()
    with matrix_products(precision):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            actions, values = network.mean_action(obs), network.value(obs)
        (actions.square().mean() + values.square().mean()).backward()
    _wait(device)
    spent = clock() - begin
    network.zero_grad(set_to_none=True)
    return spent


def _network(config: AgentConfig, env: TrainingEnv) -> ActorCritic:
    sizes = (flatdim(env.single_observation_space), flatdim(env.single_action_space))
    return ActorCritic(*sizes, config.hidden_sizes, config.log_sigma).to(env.device)


@contextmanager
def _same_random_states(device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _print(line: str) -> None:
    print(line, flush=True)
