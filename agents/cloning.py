"""A cloning start: before any reward is seen, the actor learns to repeat given target actions."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hoigym.agents.network import ActorCritic, learn_moments
from hoigym.agents.policy import PolicyWeights
from hoigym.agents.progress import StepLines
from hoigym.core.errors import UserError


class CloningError(UserError):
    """The data of a cloning start cannot be used."""


def clone_actor(
    model: Any,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    steps: int = 2000,
    batch_size: int = 1024,
    learning_rate: float = 3e-4,
    seed: int = 0,
    bfloat16: bool = False,
    check_stop: Callable[[], None] = lambda: None,
    progress_seconds: float = math.inf,
) -> float:
    """Fit the input normaliser to observations and regress the mean action onto target actions.

    For a feed-forward start the target is the reference joint rotation of the next frame plus kd/kp times
    its velocity, as an action: a position-controlled joint lags its target by kd/kp seconds.

    Args:
        model: The agent's model (`PPOAgent.model`).
        batches: Pairs of observations (n, O) and target actions (n, A) in -1..1; all are kept in memory.
        steps: Gradient steps of Adam on the mean squared error.
        batch_size: Random rows per step.
        learning_rate: First step size; it falls to zero along a cosine.
        seed: Of the choice of rows.
        bfloat16: Whether the hidden layers run in bfloat16, several times faster where the processor can.
        check_stop: Called before each step; what it raises ends the start.
        progress_seconds: Least time between two lines in the terminal.

    Returns:
        Root mean squared error of the mean action over all the data, in units of the action.

    Raises CloningError where there is no data or it holds NaN.
    """
    policy: ActorCritic = model.a2c_network
    obs, targets = _gather(batches)
    learn_moments(model.running_mean_std, obs)
    inputs: Tensor = model.norm_obs(obs)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(policy.actor.parameters(), learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    lines = StepLines("cloning start: step", steps, progress_seconds)
    for step in range(steps):
        check_stop()
        rows = torch.randint(len(inputs), (batch_size,), generator=generator).to(inputs.device)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=bfloat16):
            actions = policy.mean_action(inputs[rows])
        loss = (actions - targets[rows]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        lines.show(step + 1, partial(_step_facts, loss.detach()))
    policy.actor.zero_grad(set_to_none=True)
    return _error(policy, inputs, targets)


def load_weights(model: Any, weights: PolicyWeights) -> None:
    """Start from another policy: its actor and its input normaliser; the critic stays untrained.

    Raises CloningError where the sizes differ.
    """
    policy: ActorCritic = model.a2c_network
    wanted = {name: value.shape for name, value in policy.actor.state_dict().items()}
    if {name: value.shape for name, value in weights.actor.items()} != wanted:
        raise CloningError(f"{weights.path} is not of the size of this run's policy")
    policy.actor.load_state_dict(weights.actor)
    moments = model.running_mean_std
    moments.running_mean.copy_(weights.obs_mean)
    moments.running_var.copy_(weights.obs_var)
    moments.count.fill_(STARTING_COUNT)


STARTING_COUNT = 1_000_000.0
"""Samples a normaliser counts for that came with a policy: new data then moves it gently."""


def _gather(batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    pairs = list(batches)
    if not pairs:
        raise CloningError("the cloning start was given no data")
    obs = torch.cat([pair[0] for pair in pairs])
    targets = torch.cat([pair[1] for pair in pairs])
    if not (torch.isfinite(obs).all() and torch.isfinite(targets).all()):
        raise CloningError("the data of the cloning start holds NaN or infinite numbers")
    return obs, targets


def _step_facts(loss: Tensor) -> str:
    return f"  action error {float(loss) ** 0.5:.4f}"


@torch.no_grad()
def _error(policy: ActorCritic, inputs: Tensor, targets: Tensor) -> float:
    chunks = zip(inputs.split(16_384), targets.split(16_384), strict=True)
    total = sum((policy.mean_action(x) - y).double().square().sum() for x, y in chunks)
    return float((total / targets.numel()) ** 0.5)
