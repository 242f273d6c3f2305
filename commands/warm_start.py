"""What a policy knows before its first epoch."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from agents.ppo import PPOAgent
    from envs.vector_env import HOIVectorEnv
    from motions.stop_signal import StopSignal

CLONING_SAMPLES = 16_384
"""States that the cloning start learns from."""
CLONING_NOISE = 0.03
"""Standard deviation of the noise on the actions that lead there."""


def warm_start(
    env: "HOIVectorEnv", clone_steps: int, start_from: Path | None
) -> "Callable[[PPOAgent, StopSignal], None] | None":
    """What `agents.training.train` calls with a new agent; None starts from scratch."""
    if start_from:
        return lambda agent, _: _copy(agent, start_from)
    if clone_steps:
        return lambda agent, stop: _clone(agent, env, clone_steps, stop)
    return None


def _copy(agent: "PPOAgent", source: Path) -> None:
    from agents.cloning import load_weights
    from agents.policy import load_policy

    load_weights(agent.model, load_policy(source))
    print(f"policy taken from {source}", flush=True)


def _clone(agent: "PPOAgent", env: "HOIVectorEnv", steps: int, stop: "StopSignal") -> None:
    from agents.cloning import clone_actor

    print(f"cloning start: {steps} gradient steps towards the reference", flush=True)
    settings = agent.settings
    error = clone_actor(
        agent.model,
        _pairs(env, stop, settings.progress_seconds),
        steps=steps,
        seed=settings.seed,
        bfloat16=settings.precision == "bfloat16",
        check_stop=stop.check,
        progress_seconds=settings.progress_seconds,
    )
    print(f"cloning start: action error {error:.4f}", flush=True)


def _pairs(env: "HOIVectorEnv", stop: "StopSignal", progress_seconds: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Observations (N, O) around the reference, and the actions (N, A) that lead along it.

    The feed-forward actions are carried out with noise, so that the policy also knows what to do a little
    beside the reference, where it will soon find itself. Raises Stopped where a signal comes in between.
    """
    from agents.progress import StepLines

    generator = torch.Generator(env.device).manual_seed(env.config.seed)
    obs, _ = env.reset()
    count = math.ceil(CLONING_SAMPLES / env.num_envs)
    lines = StepLines("cloning start: collecting", count, progress_seconds)
    for step in range(count):
        stop.check()
        actions = env.reference_actions()
        yield obs, actions
        noise = torch.randn(actions.shape, generator=generator, device=env.device)
        obs = env.step(actions + CLONING_NOISE * noise)[0]
        lines.show(step + 1)
