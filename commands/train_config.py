"""The configuration of a training run."""

from dataclasses import dataclass, field
from pathlib import Path

from agents.config import AgentConfig
from envs.config import EnvConfig
from motions.errors import UserError

ALIASES = {
    "--task": ["env.task"],
    "--motion_file": ["env.motion_file"],
    "--num_envs": ["env.num_envs"],
    "--engine": ["env.engine"],
    "--seed": ["env.seed", "agent.seed"],
    "--state_init": ["env.start.frame"],
    "--max_epochs": ["agent.max_epochs"],
    "--max_minutes": ["agent.max_minutes"],
    "--horizon_length": ["agent.horizon"],
    "--minibatch_size": ["agent.minibatch_size"],
    "--learning_rate": ["agent.learning_rate"],
    "--graph_file": ["env.start.graph_file"],
    "--state_init_random_prob": ["env.start.noise"],
    "--state_switch_prob": ["env.start.switch"],
    "--reweight_alpha": ["env.start.adaptive"],
    "--hist_ckpt": ["env.history.encoder"],
    "--cg1": ["env.reward.weights.cg_body"],
    "--cg2": ["env.reward.weights.cg_object"],
    "--ig": ["env.reward.weights.ig"],
    "--op": ["env.reward.weights.op"],
}
"""Short options, named as in the published system where it has them."""


@dataclass(frozen=True)
class TrainConfig:
    """Train a policy: task file < recipe file < --config file < command line."""

    recipe: str = "cpu"
    """Name of a file in cfg/recipes; several joined by "+" are laid over each other, as in "cpu+ats+stf"."""
    clone_steps: int = 0
    """Gradient steps that teach the policy to follow the reference before any reward is seen; 0 for none."""
    start_from: Path | None = None
    """Policy, checkpoint or run whose policy to start from, in place of such steps."""
    eval_trials: int = 0
    """Held-out trials of each skill at every checkpoint, for curves and the best checkpoint; 0 for none."""
    eval_horizon: float = 5.0
    """Length of such a trial [s]."""
    guard_frames: int = 60
    """Frames kept of every world, to write those of one that diverges into the run's folder; 0 keeps none."""
    env: EnvConfig = field(default_factory=EnvConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)

    def __post_init__(self) -> None:
        """Raises UserError for an impossible value."""
        for name in ("clone_steps", "eval_trials", "guard_frames"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} {getattr(self, name)}: expected 0 or more")
