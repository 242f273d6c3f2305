"""The trained skill-conditioned policy at work."""

import collections
from pathlib import Path

import torch
from torch import Tensor

from conditioners.learning.state import load_weights, trained_weights
from conditioners.uniskill.policy import PolicySizes, SkillPolicy
from conditioners.uniskill.policy_config import PolicyTraining
from conditioners.uniskill.pretrained import run_config
from motions.checkpoint import load_latest


def load_policy(run_dir: Path) -> SkillPolicy:
    """The policy of a run of `uniskill policy`, averaged weights where it kept some; in evaluation mode.

    Raises PretrainedError or CheckpointError for anything else.
    """
    config = run_config(run_dir, PolicyTraining).policy
    checkpoint, _ = load_latest(run_dir)
    weights = trained_weights(checkpoint)
    sizes = PolicySizes(*(len(weights[f"{name}_mean"]) for name in ("obs", "action", "skill")))
    policy = SkillPolicy(config, sizes)
    load_weights(policy, weights, str(checkpoint.path))
    return policy.eval().requires_grad_(False)


class RecedingHorizon:
    """Plans with a policy, carries out the next actions of the plan, and plans anew; for rows that began together.

    seed: of the noise from which plans are made.
    """

    def __init__(self, policy: SkillPolicy, seed: int) -> None:
        self._policy = policy
        self._seen: collections.deque[Tensor] = collections.deque(maxlen=policy.config.observations)
        self._plan: list[Tensor] = []
        self._generator = torch.Generator(policy.get_buffer("obs_mean").device).manual_seed(seed)

    def __call__(self, obs: Tensor, skill: Tensor) -> Tensor:
        """The next actions (N, A) after observations (N, O); z (N, Z) is looked at where a plan is due.

        The first observations stand for those before them too.
        """
        self._seen.extend([obs] * (1 if self._seen else self._policy.config.observations))
        if not self._plan:
            seen = torch.stack(tuple(self._seen), 1)
            self._plan = list(self._policy.act(seen, skill, self._generator).unbind(1))
        return self._plan.pop(0)
