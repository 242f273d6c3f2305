"""Training of the skill-conditioned policy on rollouts, with z from a table of conditions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conditioners.learning.fit import fit
from conditioners.learning.learner import Batch, FitResult
from conditioners.table_file import ConditionTable, load_table
from conditioners.uniskill.pairs import shuffled
from conditioners.uniskill.policy import PolicySizes, SkillPolicy
from conditioners.uniskill.policy_config import PolicyConfig, PolicyTraining
from conditioners.uniskill.rollouts import RolloutError, Rollouts, load_rollouts

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
