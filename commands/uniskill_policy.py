"""`run.py uniskill policy`: the skill-conditioned diffusion policy from recorded rollouts; or a run resumed."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.layers import read_layer
from commands.schema import to_plain
from conditioners.uniskill.policy_config import PolicyTraining
from motions.errors import UserError
from motions.run_config import CONFIG_FILE

ALIASES = {
    "--steps": ["fit.steps"],
    "--batch_size": ["fit.batch_size"],
    "--max_minutes": ["fit.max_minutes"],
    "--seed": ["fit.seed"],
}


def parse_policy(argv: Sequence[str]) -> tuple[PolicyTraining, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    parser = ConfigParser("run.py uniskill policy", PolicyTraining, ALIASES)
    parser.add_argument("--config", type=Path | None, help="YAML file of your own.")
    parser.add_argument("--resume", type=Path | None, help="Run folder to go on with, as it was configured.")
    parser.add_argument("--run_dir", type=Path | None, help="New folder; output/uniskill-policy-TIME by default.")
    given = parser.given(argv)
    layers = [read_layer(given["config"])] if given.get("config") else []
    if given.get("resume"):
        if given.get("run_dir"):
            raise UserError(f"{COMMAND_LINE}: --resume and --run_dir exclude each other")
        layers = [read_layer(given["resume"] / CONFIG_FILE), *layers]
    return parser.resolve(layers, argv), given


def policy(config: PolicyTraining, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from conditioners.uniskill.policy_training import train_policy

    for name in ("rollouts", "table"):
        if not getattr(config, name):
            raise UserError(f"{COMMAND_LINE}: --{name} is missing")
    resume = options.get("resume")
    folder = resume or options.get("run_dir") or Path("output") / f"uniskill-policy-{time.strftime('%Y%m%d-%H%M%S')}"
    result = train_policy(config, folder, resume is not None, to_plain(config))
    print(f"{result.reason} at step {result.step}")
    print(f"go on: python run.py uniskill policy --resume {folder}")
