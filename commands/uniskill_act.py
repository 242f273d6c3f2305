"""`run.py uniskill act`: the skill-conditioned policy carried out in the environment, beside what it imitates."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hoigym.commands.uniskill_record import followed_rows
from hoigym.core.errors import UserError

if TYPE_CHECKING:
    from hoigym.adapters.uniskill.policy import PolicySizes, SkillPolicy
    from hoigym.envs.vector_env import HOIVectorEnv

Actor = Callable[[Tensor], Tensor]
"""Observations (N, O) to actions (N, A)."""
_SHUFFLE_SEED = 0
# Control steps: episodes end by a failure or with their clip.
_FOR_EVER = 10**9


@dataclass(frozen=True)
class ActConfig:
    """Carry out a policy in the environment, with the z of the clip and of others, beside the feed-forward actions."""

    policy: Path | None = None
    """Run of `uniskill policy`."""
    motion_file: str | None = None
    """The clips of its rollouts."""
    task: str = "locomotion"
    """The environment of its rollouts."""
    table: str = ""
    """Table of `uniskill extract` for these clips; the one that it was trained with where empty."""
    starts: int = 64
    """Trials, side by side; every way of acting has the same ones."""
    seconds: float = 2.0
    """Length of a trial [s]; so much of its clip follows every start."""
    seed: int = 0
    """Of the starts, and of the noise from which plans are made."""

    def __post_init__(self) -> None:
        if self.starts < 2:
            raise UserError(f"starts must be at least 2, not {self.starts}")
        if not self.seconds > 0:
            raise UserError(f"seconds must be above 0, not {self.seconds:g}")


@dataclass(frozen=True)
class Outcome:
    """What came of N trials. seconds: (N,) until the root was too far off, the humanoid fell, or the trial was over.
    whole: (N,) bool, whether it was over. reward: mean of the steps until then.
    """

    seconds: Tensor
    whole: Tensor
    reward: float

    def __str__(self) -> str:
        error = float(self.seconds.std() / len(self.seconds) ** 0.5)
        return f"{self.seconds.mean():.2f} ± {error:.2f} | {self.whole.float().mean():.0%} | {self.reward:.3f}"


def act(config: ActConfig) -> None:
    """Prints a table; raises UserError."""
    import contextlib

    from hoigym.adapters.uniskill.config import PolicyTraining
    from hoigym.adapters.uniskill.policy import load_policy
    from hoigym.adapters.uniskill.pretrained import run_config
    from hoigym.commands.eval import EvalProgress
    from hoigym.envs.make import make_task
    from hoigym.envs.termination import LOST_DISTANCE

    assert config.policy is not None
    assert config.motion_file is not None
    policy = load_policy(config.policy)
    table = config.table or run_config(config.policy, PolicyTraining).table
    chosen = {
        "motion_file": config.motion_file,
        "seed": config.seed,
        "condition": {"kind": "label"},
        "episode": {"length": _FOR_EVER, "max_root_error": LOST_DISTANCE},
    }
    with contextlib.closing(make_task(config.task, config.starts, **chosen)) as env, EvalProgress() as progress:
        steps = max(1, round(config.seconds / env.sim.control_dt))
        rows = start_rows(env, config.starts, steps, config.seed)
        actors = _actors(config, policy, table, env)
        outcomes: dict[str, Outcome] = {}
        for done, (name, make) in enumerate(actors.items()):
            progress.show(name, done, len(actors))
            outcomes[name] = trial(env, make, rows, steps)
    print(f"{config.starts} starts, trials of {config.seconds:g} s\n")
    print(f"| actions | seconds until root {LOST_DISTANCE} m off or fall | to the end | reward per step |")
    print("|---|---|---|---|")
    for name, one in outcomes.items():
        print(f"| {name} | {one} |")


def start_rows(env: "HOIVectorEnv", count: int, steps: int, seed: int) -> Tensor:
    """Library rows (count,) to start on, drawn from those that `steps` more of their clip follow.

    Raises UserError where no clip is that long.
    """
    from hoigym.envs.start import start_frames

    library = env.library
    ends = library.clip_start + library.clip_length
    left = ends[library.frame_clip] - 1 - torch.arange(library.num_frames)
    usable = (start_frames(env.config.start, library, env.scene) & (left >= steps)).nonzero()[:, 0]
    if not len(usable):
        raise UserError(f"no clip goes on for {steps} steps after a start: ask for fewer --seconds")
    return usable[torch.randint(len(usable), (count,), generator=torch.Generator().manual_seed(seed))]


def trial(env: "HOIVectorEnv", make: Callable[[], Actor], rows: Tensor, steps: int) -> Outcome:
    """One life of every row of an environment that ends it at a failure.

    make: called after the reset, gives what acts. rows: (N,) library rows to start on.
    """
    obs, _ = env.reset(seed=env.config.seed, options={"start": rows})
    actor = make()
    alive = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
    failed = torch.zeros_like(alive)
    lasted, total = torch.zeros(2, env.num_envs, device=env.device)
    for _ in range(steps):
        obs, reward, terminated, truncated, _ = env.step(actor(obs))
        lasted += alive
        total += reward * alive
        failed |= alive & terminated
        alive &= ~(terminated | truncated)
        if not alive.any():
            break
    return Outcome(lasted * env.sim.control_dt, ~failed, float(total.sum() / lasted.sum()))


def _actors(
    config: ActConfig, policy: "SkillPolicy", table: str, env: "HOIVectorEnv"
) -> dict[str, Callable[[], Actor]]:
    """What acts, by name; made anew for every trial."""
    from gymnasium.spaces import flatdim

    from hoigym.adapters.uniskill.policy import PolicySizes, RecedingHorizon
    from hoigym.conditioners.base import ConditionConfig, LabelConditioner
    from hoigym.conditioners.registry import table_of
    from hoigym.conditioners.table import shuffle_clips

    values = table_of(ConditionConfig(kind="table", file=table), env.library).values
    width = flatdim(env.single_observation_space) - LabelConditioner.width
    _check_sizes(config, policy, PolicySizes(width, flatdim(env.single_action_space), values.shape[2]))
    variant = torch.randint(len(values), (env.num_envs,), generator=torch.Generator().manual_seed(config.seed))

    def by_policy(z: Tensor) -> Callable[[], Actor]:
        def make() -> Actor:
            horizon = RecedingHorizon(policy, config.seed)
            return lambda obs: horizon(obs[:, :width], z[variant, followed_rows(env)])

        return make

    def hold() -> Actor:
        first = env.reference_actions()
        return lambda obs: first

    return {
        "feed-forward": lambda: lambda obs: env.reference_actions(),
        "policy, z of the clip": by_policy(values),
        "policy, z of another clip": by_policy(shuffle_clips(values, env.library, _SHUFFLE_SEED)),
        "first feed-forward action, held": hold,
    }


def _check_sizes(config: ActConfig, policy: "SkillPolicy", here: "PolicySizes") -> None:
    for name, learned in vars(policy.sizes).items():
        if learned != getattr(here, name):
            raise UserError(
                f"{config.policy}: learned with {learned} numbers in each {name}, here are {getattr(here, name)}"
            )
