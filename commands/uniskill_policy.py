"""`run.py uniskill policy`: the skill-conditioned diffusion policy from recorded rollouts; or a run resumed."""

from collections.abc import Sequence
from typing import Any

from commands.config_parser import COMMAND_LINE
from commands.learning_run import parse_run, train_run
from conditioners.uniskill.policy_config import PolicyTraining
from motions.errors import UserError


def parse_policy(argv: Sequence[str]) -> tuple[PolicyTraining, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    return parse_run("uniskill policy", PolicyTraining, argv)


def policy(config: PolicyTraining, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from conditioners.uniskill.policy_training import train_policy

    for name in ("rollouts", "table"):
        if not getattr(config, name):
            raise UserError(f"{COMMAND_LINE}: --{name} is missing")
    folder = train_run("uniskill policy", config, options, train_policy)
    print(f"carry out: python run.py uniskill act {folder} CLIPS --task TASK")
