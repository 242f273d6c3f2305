"""`run.py train`: a policy from a task, clips and a recipe; or a run resumed."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hoigym.agents.config import AgentConfig
from hoigym.core.config import Layer, named_layer, read_layer, section, to_plain
from hoigym.core.config_parser import COMMAND_LINE, ConfigParser
from hoigym.core.errors import UserError
from hoigym.core.processes import Stopped
from hoigym.core.run_folder import CONFIG_FILE, hands_layer
from hoigym.envs.config import EnvConfig

if TYPE_CHECKING:
    from hoigym.agents.ppo import PPOAgent
    from hoigym.agents.training import TrainingResult
    from hoigym.core.processes import StopSignal
    from hoigym.envs.vector_env import HOIVectorEnv
    from hoigym.sim.scene.scene import Scene


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


# --- What a policy knows before its first epoch ---------------------------------------------------------------------


CLONING_SAMPLES = 16_384
"""States that the cloning start learns from."""
CLONING_NOISE = 0.03
"""Standard deviation of the noise on the actions that lead there."""


def warm_start(
    env: "HOIVectorEnv", clone_steps: int, start_from: Path | None
) -> "Callable[[PPOAgent, StopSignal], None] | None":
    """What `agents.training.train` calls with a new agent; None starts from scratch."""
    if start_from:
        return lambda agent, _: _copy(agent, start_from)
    if clone_steps:
        return lambda agent, stop: _clone(agent, env, clone_steps, stop)
    return None


def _copy(agent: "PPOAgent", source: Path) -> None:
    from hoigym.agents.cloning import load_weights
    from hoigym.agents.policy import load_policy

    load_weights(agent.model, load_policy(source))
    print(f"policy taken from {source}", flush=True)


def _clone(agent: "PPOAgent", env: "HOIVectorEnv", steps: int, stop: "StopSignal") -> None:
    from hoigym.agents.cloning import clone_actor

    print(f"cloning start: {steps} gradient steps towards the reference", flush=True)
    settings = agent.settings
    error = clone_actor(
        agent.model,
        _pairs(env, stop, settings.progress_seconds),
        steps=steps,
        seed=settings.seed,
        bfloat16=settings.precision == "bfloat16",
        check_stop=stop.check,
        progress_seconds=settings.progress_seconds,
    )
    print(f"cloning start: action error {error:.4f}", flush=True)


def _pairs(env: "HOIVectorEnv", stop: "StopSignal", progress_seconds: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Observations (N, O) around the reference, and the actions (N, A) that lead along it.

    The feed-forward actions are carried out with noise, so that the policy also knows what to do a little
    beside the reference, where it will soon find itself. Raises Stopped where a signal comes in between.
    """
    from hoigym.agents.progress import StepLines

    generator = torch.Generator(env.device).manual_seed(env.config.seed)
    obs, _ = env.reset()
    count = math.ceil(CLONING_SAMPLES / env.num_envs)
    lines = StepLines("cloning start: collecting", count, progress_seconds)
    for step in range(count):
        stop.check()
        actions = env.reference_actions()
        yield obs, actions
        noise = torch.randn(actions.shape, generator=generator, device=env.device)
        obs = env.step(actions + CLONING_NOISE * noise)[0]
        lines.show(step + 1)


# --- `run.py train`: a policy from a task, clips and a recipe; or a run resumed -------------------------------------


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
    from hoigym.agents.training import train
    from hoigym.core.processes import join_ranks
    from hoigym.envs.make import make_env

    resume = options.get("resume")
    with contextlib.ExitStack() as open_things:
        device = config.env.warp.device if config.env.engine == "mujoco_warp" else "cpu"
        ranks = open_things.enter_context(join_ranks(device))
        folder = ranks.agree(resume or options.get("run_dir") or _new_folder(config.env.task))
        env = open_things.enter_context(contextlib.closing(make_env(config.env)))
        measure = None
        if config.eval_trials and ranks.first:
            from hoigym.evaluation.held_out import HeldOut

            held_out = HeldOut(config.env, config.eval_trials, config.eval_horizon)
            measure = open_things.enter_context(held_out).measure
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
