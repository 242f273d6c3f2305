"""What the trainings of the video conditioners share on the command line: recipe, new run, resumed run."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hoigym.core.config import CFG, Layer, read_layer, to_plain
from hoigym.core.config_parser import COMMAND_LINE, ConfigParser
from hoigym.core.errors import UserError, unknown_name
from hoigym.core.run_folder import CONFIG_FILE

Config = TypeVar("Config")

ALIASES = {
    "--steps": ["fit.steps"],
    "--batch_size": ["fit.batch_size"],
    "--max_minutes": ["fit.max_minutes"],
    "--seed": ["fit.seed"],
}


def parse_run(
    command: str, config_type: type[Config], argv: Sequence[str], aliases: Mapping[str, list[str]] | None = None
) -> tuple[Config, dict[str, Any]]:
    """Configuration of a training, and the given options beside it: config, resume, run_dir.

    command: of run.py, as in "uva train". Recipe (where the configuration names one) < --config file < argv; a
    resumed run has its own in place of the recipe. aliases: beside ALIASES. Raises UserError.
    """
    parser = ConfigParser(f"run.py {command}", config_type, {**ALIASES, **(aliases or {})})
    parser.add_argument("--config", type=Path | None, help="YAML file of your own, over the recipe.")
    parser.add_argument("--resume", type=Path | None, help="Run folder to go on with, as it was configured.")
    parser.add_argument("--run_dir", type=Path | None, help=f"New folder of the run; {_new_folder(command, 'TIME')}.")
    given = parser.given(argv)
    own = [read_layer(given["config"])] if given.get("config") else []
    if given.get("resume"):
        if given.get("run_dir") or "recipe" in given:
            raise UserError(f"{COMMAND_LINE}: a resumed run keeps its folder and its recipe: leave them out")
        return parser.resolve([read_layer(given["resume"] / CONFIG_FILE), *own], argv), given
    recipe = given.get("recipe", getattr(config_type(), "recipe", None))
    recipes = [recipe_layer(command.split()[0], recipe)] if recipe else []
    return parser.resolve([*recipes, *own], argv), given


def recipe_layer(folder: str, recipe: str) -> Layer:
    """A recipe of a folder of cfg; raises UserError for an unknown one."""
    path = CFG / folder / f"{recipe}.yaml"
    if not path.is_file():
        raise UserError(unknown_name("recipe", recipe, [file.stem for file in path.parent.glob("*.yaml")]))
    return read_layer(path)


def train_run(command: str, config: Any, options: Mapping[str, Any], train: Callable[..., Any]) -> Path:
    """Trains, says how to go on, and returns the folder.

    command: of run.py. train: called with configuration, folder, whether to resume, plain values.
    """
    resume = options.get("resume")
    folder = resume or options.get("run_dir") or _new_folder(command, time.strftime("%Y%m%d-%H%M%S"))
    result = train(config, folder, resume is not None, to_plain(config))
    print(f"{result.reason} at step {result.step}")
    print(f"go on: python run.py {command} --resume {folder}; look: tensorboard --logdir {folder}")
    return folder


def _new_folder(command: str, when: str) -> Path:
    return Path("output") / f"{command.removesuffix(' train').replace(' ', '-')}-{when}"
