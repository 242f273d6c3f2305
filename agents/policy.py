"""Policy alone: small enough to ship, and played by its mean action."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from hoigym.agents.network import build_mlp, normalise
from hoigym.core.checkpoint import STATE_FILE as CHECKPOINT_STATE
from hoigym.core.checkpoint import Checkpoint, CheckpointError, load_checkpoint, load_latest
from hoigym.core.errors import UserError
from hoigym.core.files import write_atomically

FORMAT = "hoigym-policy"
FORMAT_VERSION = 1
WEIGHTS_FILE = "policy.safetensors"
FACTS_FILE = "policy.json"
_ACTOR = "a2c_network.actor."
_NORMALISER = "running_mean_std.running_"


@dataclass(frozen=True)
class PolicyWeights:
    """What a deterministic player needs.

    Attributes:
        path: Where it was read from.
        actor: Parameters of the actor's layers by their name in `network.build_mlp`, float32.
        obs_mean: (O,) mean of the observations, float32.
        obs_var: (O,) variance of the observations, float32.
        hidden_sizes: Widths of the hidden layers.
        task: Name of the task it was trained on.
        card: What a person wants to know of it (recipe, samples, success ...); empty in a checkpoint.
    """

    path: Path
    actor: dict[str, Tensor]
    obs_mean: Tensor
    obs_var: Tensor
    hidden_sizes: tuple[int, ...]
    task: str
    card: dict[str, Any]

    @property
    def obs_size(self) -> int:
        return len(self.obs_mean)

    @property
    def action_size(self) -> int:
        return len(self.actor[f"{2 * len(self.hidden_sizes)}.bias"])


def load_policy(path: Path) -> PolicyWeights:
    """Read a policy from an exported folder, a checkpoint folder, or a run (its newest checkpoint).

    Raises CheckpointError, one line, where there is none or it is damaged.
    """
    if (path / FACTS_FILE).is_file():
        return _load_exported(path)
    if (path / CHECKPOINT_STATE).is_file():
        return _from_checkpoint(load_checkpoint(path))
    if not path.is_dir():
        raise CheckpointError(f"there is no policy, checkpoint or run at {path}")
    return _from_checkpoint(load_latest(path)[0])


def export_policy(source: Path, folder: Path, card: Mapping[str, Any]) -> Path:
    """Write the policy of a run or checkpoint as `policy.safetensors` and `policy.json`; returns `folder`.

    The weights are rounded to float16; the normaliser stays float32, because contact forces do not fit.

    Args:
        source: A run, a checkpoint or another exported policy.
        folder: Where to write, for example `models/<name>`; existing files are replaced.
        card: Facts for people, plain JSON values.

    Raises CheckpointError where the source is damaged or the folder cannot be written.
    """
    policy = load_policy(source)
    tensors = {f"actor.{name}": value.half() for name, value in policy.actor.items()}
    tensors |= {"obs_mean": policy.obs_mean, "obs_var": policy.obs_var}
    facts = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "task": policy.task,
        "obs_size": policy.obs_size,
        "action_size": policy.action_size,
        "hidden_sizes": list(policy.hidden_sizes),
        "card": dict(card),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in ((WEIGHTS_FILE, safetensors.torch.save(tensors)), (FACTS_FILE, _text(facts))):
            with write_atomically(folder / name) as file:
                file.write(data)
    except OSError as error:
        raise CheckpointError(f"cannot write policy {folder}: {error.strerror or error}") from error
    return folder


def _load_exported(path: Path) -> PolicyWeights:
    try:
        facts = json.loads((path / FACTS_FILE).read_bytes())
        tensors = safetensors.torch.load((path / WEIGHTS_FILE).read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path}: the policy cannot be read ({error})") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise CheckpointError(f"{path}: {FACTS_FILE} is not that of a policy of this program")
    if facts.get("format_version") != FORMAT_VERSION:
        version = facts.get("format_version")
        raise CheckpointError(f"{path}: policy format {version}; this program reads {FORMAT_VERSION}")
    return _assemble(
        path, tensors, "actor.", tensors.get("obs_mean"), tensors.get("obs_var"), facts, facts.get("card", {})
    )


def _from_checkpoint(checkpoint: Checkpoint) -> PolicyWeights:
    model = checkpoint.section("model")
    mean, variance = model.get(_NORMALISER + "mean"), model.get(_NORMALISER + "var")
    return _assemble(checkpoint.path, model, _ACTOR, mean, variance, checkpoint.state, {})


def _assemble(
    path: Path,
    tensors: dict[str, Tensor],
    prefix: str,
    mean: Tensor | None,
    variance: Tensor | None,
    facts: dict[str, Any],
    card: dict[str, Any],
) -> PolicyWeights:
    """Gather and check the parts. Raises CheckpointError where facts and weights disagree."""
    actor = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    try:
        hidden_sizes = tuple(int(size) for size in facts["hidden_sizes"])
        obs_size, action_size, task = int(facts["obs_size"]), int(facts["action_size"]), str(facts["task"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: the policy's facts are incomplete ({error})") from error
    sizes = (obs_size, *hidden_sizes, action_size)
    wanted = {f"{2 * layer}.weight": (sizes[layer + 1], sizes[layer]) for layer in range(len(sizes) - 1)}
    wanted |= {f"{2 * layer}.bias": (sizes[layer + 1],) for layer in range(len(sizes) - 1)}
    if {name: tuple(value.shape) for name, value in actor.items()} != wanted:
        raise CheckpointError(f"{path}: the policy's weights do not fit its facts")
    if mean is None or variance is None or mean.shape != (obs_size,) or variance.shape != (obs_size,):
        raise CheckpointError(f"{path}: the policy's normaliser does not fit its observation size {obs_size}")
    actor = {name: value.to(torch.float32) for name, value in actor.items()}
    return PolicyWeights(path, actor, mean.float(), variance.float(), hidden_sizes, task, card)


def _text(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=2) + "\n").encode()


# --- Playing a trained policy: always its mean action ---------------------------------------------------------------


class PlayerError(UserError):
    """A policy does not fit the task it is asked to play."""


class Player:
    """A deterministic policy.

    Attributes:
        task: Name of the task it was trained on.
        obs_size: Width of the observations it takes.
        action_size: Width of its actions.
        weights: Where it came from, and its card.
    """

    def __init__(self, weights: PolicyWeights, device: torch.device | str = "cpu") -> None:
        self.weights = weights
        self.task = weights.task
        self.obs_size, self.action_size = weights.obs_size, weights.action_size
        self._actor = build_mlp(self.obs_size, weights.hidden_sizes, self.action_size)
        self._actor.load_state_dict(weights.actor)
        self._actor.to(device).requires_grad_(False)
        self._mean, self._var = weights.obs_mean.to(device), weights.obs_var.to(device)

    @torch.no_grad()
    def act(self, obs: Tensor) -> Tensor:
        """Mean actions (N, A) in -1..1 for observations (N, O). Raises PlayerError where O is wrong."""
        if obs.shape[-1] != self.obs_size:
            raise PlayerError(_wrong_size(self.weights, obs.shape[-1]))
        return self._actor(normalise(obs, self._mean, self._var)).clamp(-1.0, 1.0)


def load_player(
    path: Path, *, task: str | None = None, obs_size: int | None = None, device: torch.device | str = "cpu"
) -> Player:
    """The player of an exported policy, a checkpoint, or a run.

    Args:
        path: Folder of any of the three.
        task: Task that will be played; None does not ask.
        obs_size: Width of the task's observations; None does not ask.
        device: Where to act.

    Raises UserError, one line, where the policy is missing, damaged, of another task or another size.
    """
    weights = load_policy(path)
    if task is not None and weights.task != task:
        raise PlayerError(f"{weights.path} is a policy for {weights.task}, not for {task}")
    if obs_size is not None and weights.obs_size != obs_size:
        raise PlayerError(_wrong_size(weights, obs_size))
    return Player(weights, device)


def _wrong_size(weights: PolicyWeights, obs_size: int) -> str:
    return f"{weights.path} takes observations of {weights.obs_size} numbers, the task gives {obs_size}"
