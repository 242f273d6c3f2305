"""`run.py train`: a policy from a task, clips and a recipe; or a run resumed."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.layers import Layer, named_layer, read_layer, section
from commands.run_folder import hands_layer
from commands.schema import to_plain
from commands.train_config import ALIASES, TrainConfig
from motions.errors import UserError
from motions.run_config import CONFIG_FILE
from motions.stop_signal import Stopped

if TYPE_CHECKING:
    from agents.training import TrainingResult
    from envs.scene.scene import Scene


def main(argv: Sequence[str]) -> None:
    """Parses argv and trains."""
    config, options = parse(argv)
    _train(config, options)


def parse(argv: Sequence[str]) -> tuple[TrainConfig, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    parser = ConfigParser("run.py train", TrainConfig, ALIASES)
    parser.add_argument("--config", type=Path | None, help="YAML file of your own, over task and recipe.")
    parser.add_argument("--resume", type=Path | None, help="Run folder to go on with, as it was configured.")
    parser.add_argument("--run_dir", type=Path | None, help="New folder of the run; output/TASK-TIME by default.")
    given = parser.given(argv)
    if given.get("resume"):
        return parser.resolve(_resumed(given), argv), given
    own = [read_layer(given["config"])] if given.get("config") else []
    policy = given.get("start_from") or (own[0].values.get("start_from") if own else None)
    hands = [hands_layer(Path(policy))] if isinstance(policy, str | Path) else []
    return parser.resolve(task_and_recipe(given, [*hands, *own]), argv), given


def task_and_recipe(given: dict[str, Any], own: list[Layer]) -> list[Layer]:
    """The layers of a new run: task, recipe, the user's own files, which may name task and recipe too."""
    defaults = TrainConfig()
    task, recipe = defaults.env.task, defaults.recipe
    for layer in own:
        task = section(layer, "env").get("task", task)
        recipe = layer.values.get("recipe", recipe)
    task, recipe = given.get("env.task", task), given.get("recipe", recipe)
    recipes = [named_layer("recipe", name) for name in str(recipe).split("+")]
    return [named_layer("task", str(task)), *recipes, Layer(COMMAND_LINE, {"recipe": recipe}), *own]


def _resumed(given: dict[str, Any]) -> list[Layer]:
    for option, meaning in {"env.task": "task", "recipe": "recipe"}.items():
        if option in given:
            raise UserError(f"{COMMAND_LINE}: a resumed run keeps its {meaning}: leave out --{meaning}")
    for option in ("run_dir", "start_from"):
        if given.get(option):
            raise UserError(f"{COMMAND_LINE}: --resume and --{option} exclude each other")
    layers = [read_layer(given["resume"] / CONFIG_FILE)]
    return [*layers, read_layer(given["config"])] if given.get("config") else layers


def _train(config: TrainConfig, options: dict[str, Any]) -> None:
    begin = time.monotonic()
    from agents.precision import settle_precision
    from agents.ranks import join_ranks
    from agents.training import train
    from commands.warm_start import warm_start
    from envs.make import make_env

    resume = options.get("resume")
    with contextlib.ExitStack() as open_things:
        device = config.env.warp.device if config.env.engine == "mujoco_warp" else "cpu"
        ranks = open_things.enter_context(join_ranks(device))
        folder = ranks.agree(resume or options.get("run_dir") or _new_folder(config.env.task))
        env = open_things.enter_context(contextlib.closing(make_env(config.env)))
        measure = None
        if config.eval_trials and ranks.first:
            from evaluation.held_out import HeldOut

            held_out = HeldOut(config.env, config.eval_trials, config.eval_horizon)
            measure = open_things.enter_context(held_out).measure
        agent = ranks.agree(settle_precision(config.agent, env) if ranks.first else config.agent)
        config = replace(config, agent=agent)
        result = None
        with contextlib.suppress(Stopped):
            result = train(
                folder,
                env,
                config.agent,
                task=config.env.task,
                run_config=to_plain(_with_its_hands(config, env.scene)),
                resume=resume is not None,
                warm_start=warm_start(env, config.clone_steps, config.start_from),
                measure=measure,
                incidents=env.keep_last_frames(config.guard_frames) if config.guard_frames else None,
                ranks=ranks,
                begin=begin,
            )
    if ranks.first:
        _say_end(folder, result)


def _say_end(folder: Path, result: "TrainingResult | None") -> None:
    if result is None:
        print("stopped by signal before the first epoch; a resumed run begins anew")
        print(f"go on: python run.py train --resume {folder}")
        return
    print(f"{result.reason} at epoch {result.epoch}, {result.samples} samples, reward {result.mean_reward:.3f}")
    print(f"checkpoint {result.checkpoint}")
    print(f"go on: python run.py train --resume {folder}; look: python run.py play --checkpoint {folder}")


def _with_its_hands(config: TrainConfig, scene: "Scene") -> TrainConfig:
    """The configuration with the pose in which the scene's fingers are locked, if they are."""
    if scene.config.hands != "locked":
        return config
    of_scene = replace(config.env.scene, locked_pose=scene.finger_pose)
    return replace(config, env=replace(config.env, scene=of_scene))


def _new_folder(task: str) -> Path:
    return Path("output") / f"{task}-{time.strftime('%Y%m%d-%H%M%S')}"
