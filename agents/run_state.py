"""State of a training run as tensors and plain values, and which checkpoints are worth keeping."""

import contextlib
import platform
import random
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from hoigym.agents.ppo import PPOAgent
from hoigym.agents.rl_games_adapter import TrainingEnv
from hoigym.core import checkpoint as checkpoint_files
from hoigym.core.checkpoint import Checkpoint, CheckpointError, list_checkpoints, read_state

_PYTHON_GAUSS = "python_gauss"
_NUMPY_GAUSS = "numpy_gauss"


def collect_tensors(agent: PPOAgent, env: TrainingEnv) -> dict[str, Tensor]:
    """Weights, normalisers, optimiser, random states, environment and episodes under way."""
    tensors = {f"model.{name}": value for name, value in agent.model.state_dict().items()}
    tensors |= {f"env.{name}": value for name, value in env.state_dict().items()}
    tensors |= {f"random.{name}": value for name, value in _random_states(agent.obs_device).items()}
    names = _optimised(agent)
    for index, moments in agent.optimizer.state_dict()["state"].items():
        for key, value in moments.items():
            tensors[f"optimizer.{names[index]}.{key}"] = value
    tensors |= {f"extra.{name}": value for name, value in agent.extra_state().items()}
    tensors["rollout.obs"] = agent.current_obs
    tensors["rollout.running_return"] = agent.recorder.running_return
    tensors["rollout.running_length"] = agent.recorder.running_length
    return tensors


def collect_facts(agent: PPOAgent, wall_seconds: float) -> dict[str, Any]:
    """Counters, learning rate, what the policy fits, and the versions that wrote it."""
    numpy_state = _numpy_state()
    return {
        "samples": agent.frame,
        "wall_seconds": wall_seconds,
        "learning_rate": agent.last_lr,
        "obs_size": agent.obs_shape[0],
        "action_size": agent.actions_num,
        "hidden_sizes": list(agent.settings.hidden_sizes),
        "kind": agent.settings.kind,
        _PYTHON_GAUSS: random.getstate()[2],
        _NUMPY_GAUSS: [int(numpy_state[3]), float(numpy_state[4])],
        "versions": current_versions(),
    }


def current_versions() -> dict[str, str]:
    """Versions of what can change a number, where installed."""
    versions = {"python": platform.python_version()}
    for name in ("torch", "numpy", "rl-games", "mujoco", "mujoco-warp", "hoigym"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def changed_versions(checkpoint: Checkpoint) -> list[str]:
    """What is no longer as it was when the checkpoint was written, as "torch 2.11.0 -> 2.13.0"."""
    then, now = checkpoint.state.get("versions", {}), current_versions()
    names = sorted(then.keys() | now.keys())
    pairs = [(name, then.get(name, "none"), now.get(name, "none")) for name in names]
    return [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]


def restore(agent: PPOAgent, env: TrainingEnv, checkpoint: Checkpoint) -> None:
    """Go on from a checkpoint: on the CPU, bit for bit as if nothing had happened.

    Raises CheckpointError where the checkpoint does not fit the agent or the environment.
    """
    restore_policy(agent, checkpoint)
    _check_env(env, checkpoint)
    rollout = {name: value.to(agent.obs_device) for name, value in checkpoint.section("rollout").items()}
    agent.current_obs = rollout["obs"]
    agent.recorder.running_return.copy_(rollout["running_return"])
    agent.recorder.running_length.copy_(rollout["running_length"])
    env.load_state_dict(checkpoint.section("env"))
    _restore_random_states(checkpoint.section("random"), checkpoint.state, agent.obs_device)


def restore_policy(agent: PPOAgent, checkpoint: Checkpoint) -> None:
    """Of a checkpoint the policy, its optimiser and its counters, without the environment.

    Raises CheckpointError where they do not fit the agent.
    """
    _check_fit(agent, checkpoint)
    agent.model.load_state_dict(checkpoint.section("model"))
    _restore_optimizer(agent, checkpoint.section("optimizer"))
    agent.load_extra_state(checkpoint.section("extra"))
    agent.epoch_num = checkpoint.state["epoch"]
    agent.frame = checkpoint.state["samples"]
    if agent.settings.schedule == "adaptive":
        agent.set_learning_rate(checkpoint.state["learning_rate"])


def _check_fit(agent: PPOAgent, checkpoint: Checkpoint) -> None:
    state = checkpoint.state
    rows = len(checkpoint.tensors["rollout.obs"])
    facts = [
        ("as its agent", state.get("kind", "ppo"), agent.settings.kind),
        ("observations", state["obs_size"], agent.obs_shape[0]),
        ("actions", state["action_size"], agent.actions_num),
        ("environments", rows, agent.num_actors),
        ("hidden layers", tuple(state["hidden_sizes"]), agent.settings.hidden_sizes),
    ]
    for name, stored, wanted in facts:
        if stored != wanted:
            raise CheckpointError(f"{checkpoint.path} was made with {stored} {name}, this run has {wanted}")


def _check_env(env: TrainingEnv, checkpoint: Checkpoint) -> None:
    stored, wanted = (
        {name: tuple(value.shape) for name, value in state.items()}
        for state in (checkpoint.section("env"), env.state_dict())
    )
    if different := sorted(name for name in stored.keys() | wanted.keys() if stored.get(name) != wanted.get(name)):
        raise CheckpointError(
            f"{checkpoint.path} was made in another environment: {different[0]} was {stored.get(different[0])}, is "
            f"{wanted.get(different[0])}; a resumed run keeps engine, clips and scene, --start_from begins a new one"
        )


def _optimised(agent: PPOAgent) -> list[str]:
    """Names of the parameters in the optimiser's order."""
    name_of = {id(value): name for name, value in agent.model.named_parameters()}
    return [name_of[id(value)] for group in agent.optimizer.param_groups for value in group["params"]]


def _restore_optimizer(agent: PPOAgent, stored: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    index_of = {name: index for index, name in enumerate(_optimised(agent))}
    for name, value in stored.items():
        parameter, key = name.rsplit(".", 1)
        moments.setdefault(index_of[parameter], {})[key] = value
    groups = agent.optimizer.state_dict()["param_groups"]
    agent.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _numpy_state() -> tuple[Any, ...]:
    """State of numpy's global generator, which this project does not use but an environment may."""
    return cast(tuple[Any, ...], np.random.get_state())  # noqa: NPY002


def _random_states(device: torch.device) -> dict[str, Tensor]:
    numpy_state = _numpy_state()
    states = {
        "torch": torch.get_rng_state(),
        "numpy": torch.tensor([*numpy_state[1].tolist(), numpy_state[2]]),
        "python": torch.tensor(random.getstate()[1]),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _restore_random_states(states: dict[str, Tensor], facts: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(states["torch"])
    *key, position = states["numpy"].tolist()
    has_gauss, gauss = facts[_NUMPY_GAUSS]
    state = ("MT19937", np.array(key, dtype=np.uint32), position, has_gauss, gauss)
    np.random.set_state(state)  # noqa: NPY002
    random.setstate((3, tuple(states["python"].tolist()), facts[_PYTHON_GAUSS]))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


# --- Which checkpoints of a policy are worth keeping ----------------------------------------------------------------


def prune_checkpoints(run_dir: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints and the best one (see `best_checkpoint`)."""
    checkpoint_files.prune_checkpoints(run_dir, keep, best_checkpoint(run_dir))


def best_checkpoint(run_dir: Path) -> Path | None:
    """The checkpoint of a run with the highest measured success, and among equals the highest reward.

    That is the measured one, and without a measurement, for which success counts as 0, the mean of the epoch. None
    where no checkpoint says its reward.
    """
    ranked: list[tuple[float, float, Path]] = []
    for path in list_checkpoints(run_dir):
        try:
            state = read_state(path)
        except CheckpointError:
            continue
        reward = state.get("mean_reward")
        if isinstance(reward, float):
            measured = state.get("measured", {})
            ranked.append((measured.get("success/mean", 0.0), measured.get("success/nr", reward), path))
    return max(ranked)[2] if ranked else None
