"""Training of the skill-conditioned policy on recorded rollouts, with z from a table of conditions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoigym.adapters.learning.fit import fit
from hoigym.adapters.learning.learner import Batch, FitResult
from hoigym.adapters.uniskill.config import PolicyConfig, PolicyTraining
from hoigym.adapters.uniskill.pairs import shuffled
from hoigym.adapters.uniskill.policy import PolicySizes, SkillPolicy
from hoigym.conditioners.table import ConditionTable, load_table
from hoigym.core.errors import UserError
from hoigym.core.files import ArrayFormat

_ARRAYS = ("obs", "actions", "rows", "ends")


class RolloutError(UserError):
    """A file of rollouts that cannot be used."""


@dataclass(frozen=True)
class Rollouts:
    """S steps of E episodes, one after the other.

    obs: (S, O) observations, without the condition. actions: (S, A) wanted in -1 .. 1. rows: (S,) long, row of the
    motion library that was followed. ends: (E,) long, step after the last one of each episode. library_hash:
    `MotionLibrary.content_hash`.
    """

    obs: Tensor
    actions: Tensor
    rows: Tensor
    ends: Tensor
    library_hash: str


_FORMAT = ArrayFormat("hoigym-rollouts-1", "file of rollouts of `uniskill record`", RolloutError)


def save_rollouts(rollouts: Rollouts, path: Path) -> None:
    """Writes rollouts as .npz; raises RolloutError where that is not possible."""
    arrays = {name: getattr(rollouts, name).cpu().numpy() for name in _ARRAYS}
    _FORMAT.save(path, {**arrays, "library_hash": rollouts.library_hash})


def load_rollouts(path: Path) -> Rollouts:
    """Reads what `save_rollouts` wrote; raises RolloutError for anything else."""
    arrays = _FORMAT.load(path, (*_ARRAYS, "library_hash"))
    obs, actions, rows, ends = (arrays[name] for name in _ARRAYS)
    dimensions = (obs.ndim, actions.ndim, rows.ndim, ends.ndim)
    if dimensions != (2, 2, 1, 1) or not len(obs) == len(actions) == len(rows) == ends[-1:].sum():
        raise RolloutError(f"{path}: observations, actions, rows and ends of episodes do not fit each other")
    tensors = {name: torch.from_numpy(arrays[name]) for name in _ARRAYS}
    return Rollouts(**tensors, library_hash=str(arrays["library_hash"]))


# --- Training of the skill-conditioned policy on rollouts, with z from a table of conditions ------------------------


_HELD_OUT_EVERY = 8
_VALIDATION_WINDOWS = 64


def train_policy(config: PolicyTraining, run_dir: Path, resume: bool, plain: Mapping[str, Any]) -> FitResult:
    """Trains in a folder (see `fit`); raises UserError for files that do not fit each other."""
    rollouts, table = load_rollouts(Path(config.rollouts)), load_table(Path(config.table))
    if rollouts.library_hash != table.library_hash:
        raise RolloutError(f"{config.table}: made for other clips than the rollouts {config.rollouts}")
    windows = [Windows(rollouts, table, config.policy, held_out) for held_out in (False, True)]
    sizes = PolicySizes(rollouts.obs.shape[1], rollouts.actions.shape[1], table.values.shape[2])
    torch.manual_seed(config.fit.seed)
    policy = SkillPolicy(config.policy, sizes)
    policy.standardise(rollouts.obs, table.values.flatten(0, 1), rollouts.actions)
    return fit(PolicyLearner(policy, config, windows[1]), windows[0], run_dir, config.fit, resume, plain)


class Windows:
    """Stretches of rollouts: observations (To, O), actions (Tp, A), and z at the last of these observations.

    Every eighth episode is held out. z is that of a random variant of the table.
    """

    def __init__(self, rollouts: Rollouts, table: ConditionTable, config: PolicyConfig, held_out: bool) -> None:
        self._rollouts, self._table, self._config = rollouts, table, config
        starts: list[int] = []
        first = 0
        for episode, end in enumerate(rollouts.ends.tolist()):
            if (episode % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1) == held_out:
                starts += range(first, end - config.horizon + 1)
            first = end
        if not starts:
            raise RolloutError(f"too few episodes of {config.horizon} steps or more to train on and to hold out")
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Batch:
        return self.draw(index, 0)

    def draw(self, index: int, seed: int) -> Batch:
        config, rollouts, start = self._config, self._rollouts, self._starts[index]
        variant = int(np.random.default_rng(seed).integers(len(self._table.values)))
        now = start + config.observations - 1
        return {
            "obs": rollouts.obs[start : now + 1],
            "actions": rollouts.actions[start : start + config.horizon],
            "skill": self._table.values[variant, rollouts.rows[now]],
        }


class PolicyLearner:
    """held_out: windows to validate with."""

    def __init__(self, policy: SkillPolicy, config: PolicyTraining, held_out: Windows) -> None:
        self.module = policy
        self._config = config
        places = np.linspace(0, len(held_out) - 1, min(_VALIDATION_WINDOWS, len(held_out))).astype(int)
        samples = [held_out[int(place)] for place in places]
        self._held_out = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return self.module.loss(batch["obs"], batch["skill"], batch["actions"], generator), {}

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.module.parameters(), self._config.learning_rate, weight_decay=1e-6)

    def schedule(self, step: int) -> float:
        return min(1.0, (step + 1) / max(1, self._config.warm_up))

    def validate(self, step: int) -> Mapping[str, float | np.ndarray]:
        """Squared errors of the actions carried out, over that of the mean action: with z and with z of others."""
        device = self.module.get_buffer("obs_mean").device
        batch = {name: value.to(device) for name, value in self._held_out.items()}
        first = self.module.config.observations - 1
        wanted = batch["actions"][:, first : first + self.module.config.executed]
        constant = (wanted - wanted.mean((0, 1))).square().mean()

        def error(skill: Tensor) -> float:
            generator = torch.Generator(device).manual_seed(0)
            return float((self.module.act(batch["obs"], skill, generator) - wanted).square().mean() / constant)

        skill = batch["skill"]
        return {"action_error": error(skill), "action_error_shuffled": error(shuffled(skill))}
