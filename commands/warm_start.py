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

CLONING_SAMPLES = 16_384
"""States on the reference that the cloning start learns from."""


def warm_start(
    env: "HOIVectorEnv", clone_steps: int, start_from: Path | None
) -> "Callable[[PPOAgent], None] | None":
    """What `agents.training.train` calls with a new agent; None starts from scratch."""
    if start_from:
        return lambda agent: _copy(agent, start_from)
    if clone_steps:
        return lambda agent: _clone(agent, env, clone_steps)
    return None


def feed_forward_actions(env: "HOIVectorEnv") -> Tensor:
    """Actions (N, A) that drive each row along its reference, if it is on it.

    A position drive lags its target by damping / stiffness seconds, so the target is the next reference frame
    that much ahead: q + (damping / stiffness) dq/dt.
    """
    library = env.library
    frames = library.reference(library.frame_index(env.clip, env.start_frame + env.progress + 1))
    drives = torch.tensor([body.drive for body in library.skeleton.bodies[1:]], device=env.device)
    lag = (drives[:, 1] / drives[:, 0])[:, None]
    target = (frames.joint_rot + lag * frames.joint_vel) / math.pi
    return target.clamp(-1.0, 1.0).flatten(1)


def _copy(agent: "PPOAgent", source: Path) -> None:
    from agents.cloning import load_weights
    from agents.policy import load_policy

    load_weights(agent.model, load_policy(source))
    print(f"policy taken from {source}", flush=True)


def _clone(agent: "PPOAgent", env: "HOIVectorEnv", steps: int) -> None:
    from agents.cloning import clone_actor

    print(f"cloning start: {steps} gradient steps towards the reference", flush=True)
    error = clone_actor(agent.model, _pairs(env), steps=steps, seed=agent.settings.seed)
    print(f"cloning start: action error {error:.4f}", flush=True)


def _pairs(env: "HOIVectorEnv") -> Iterator[tuple[Tensor, Tensor]]:
    """Observations (N, O) of states on the reference, and the actions (N, A) that lead along it."""
    for _ in range(math.ceil(CLONING_SAMPLES / env.num_envs)):
        obs, _ = env.reset()
        yield obs, feed_forward_actions(env)
