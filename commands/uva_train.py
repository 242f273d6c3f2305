"""`run.py uva train`: a UVA model from a replay buffer, in two stages; or a run resumed."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.layers import CFG, Layer, read_layer
from commands.messages import unknown_name
from commands.schema import to_plain
from conditioners.uva.training_config import UVATrainConfig
from motions.errors import UserError
from motions.run_config import CONFIG_FILE

_RECIPES = CFG / "uva"
ALIASES = {
    "--data": ["data.path"],
    "--steps": ["fit.steps"],
    "--batch_size": ["fit.batch_size"],
    "--max_minutes": ["fit.max_minutes"],
    "--seed": ["fit.seed"],
    "--action_dim": ["model.inputs.action_dim"],
}


def parse_train(argv: Sequence[str]) -> tuple[UVATrainConfig, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    parser = ConfigParser("run.py uva train", UVATrainConfig, ALIASES)
    parser.add_argument("--config", type=Path | None, help="YAML file of your own, over the recipe.")
    parser.add_argument("--resume", type=Path | None, help="Run folder to go on with, as it was configured.")
    parser.add_argument("--run_dir", type=Path | None, help="New folder of the run; output/uva-TIME by default.")
    given = parser.given(argv)
    own = [read_layer(given["config"])] if given.get("config") else []
    if given.get("resume"):
        if given.get("run_dir") or "recipe" in given:
            raise UserError(f"{COMMAND_LINE}: a resumed run keeps its folder and its recipe: leave them out")
        return parser.resolve([read_layer(given["resume"] / CONFIG_FILE), *own], argv), given
    recipe = given.get("recipe", UVATrainConfig().recipe)
    return parser.resolve([recipe_layer(recipe), *own], argv), given


def recipe_layer(name: str) -> Layer:
    """A recipe of cfg/uva; raises UserError for an unknown one."""
    path = _RECIPES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(unknown_name("recipe", name, [file.stem for file in _RECIPES.glob("*.yaml")]))
    return read_layer(path)


def recipe_config(name: str) -> UVATrainConfig:
    """The training that a recipe describes."""
    return ConfigParser("run.py uva train", UVATrainConfig).resolve([recipe_layer(name)], [])


def train(config: UVATrainConfig, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from conditioners.uva.training import train as fit

    resume = options.get("resume")
    folder = resume or options.get("run_dir") or Path("output") / f"uva-{time.strftime('%Y%m%d-%H%M%S')}"
    result = fit(config.for_stage(), folder, resume is not None, to_plain(config.for_stage()))
    print(f"{result.reason} at step {result.step}")
    print(f"go on: python run.py uva train --resume {folder}; look: {folder}/pictures")
