"""`run.py uva record`: a policy at work in this project's environments, as demonstrations to learn from."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hoigym.core.config_parser import ConfigParser
from hoigym.core.errors import UserError
from hoigym.core.run_folder import env_layer
from hoigym.envs.config import EnvConfig

if TYPE_CHECKING:
    from hoigym.adapters.uva.replay_buffer import ReplayWriter
    from hoigym.envs.vector_env import HOIVectorEnv

_SHORTEST = 32
"""Steps of the shortest episode that is worth keeping: one training window."""

_PATIENCE = 10
"""Shorter ones in a row, after which there is no hope."""


@dataclass(frozen=True)
class RecordConfig:
    """Film a trained policy with its actions, into a replay buffer."""

    checkpoint: Path | None = None
    """Run folder, checkpoint or shipped policy."""
    output: Path | None = None
    """The zarr folder to write, or to add to."""
    episodes: int = 20
    """Episodes to add."""
    longest: int = 300
    """Stored steps after which an episode is cut."""
    rows: int = 4
    """Humanoids side by side."""
    size: int = 96
    """Pixels a side."""
    stride: int = 2
    """Control steps from one stored step to the next."""
    noise: float = 0.0
    """Deviation of what is added to the actions that are carried out (of -1 .. 1); those stored are clean."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.rows, self.size, self.stride) < 1 or self.longest < _SHORTEST:
            raise UserError(f"rows, size and stride must be at least 1, longest at least {_SHORTEST}")


def record(config: RecordConfig) -> None:
    """Adds the episodes, with progress on the terminal; raises UserError."""
    from gymnasium.spaces import flatdim

    from hoigym.adapters.uva.replay_buffer import ReplayWriter
    from hoigym.agents.policy import load_player
    from hoigym.commands.eval import EvalProgress
    from hoigym.envs.make import make_env

    assert config.checkpoint
    assert config.output
    of_run = ConfigParser("run.py uva record", _Run).resolve([env_layer(config.checkpoint)], [])
    env_config = recorded_env(of_run.env, config)
    writer = ReplayWriter(config.output)
    with contextlib.closing(make_env(env_config)) as env, EvalProgress() as progress:
        size = flatdim(env.single_observation_space)
        player = load_player(config.checkpoint, task=env_config.task, obs_size=size, device=env.device)
        record_rollouts(env, player.act, writer, config, progress.show)
    print(f"{config.output}: {writer.episodes} episodes, {writer.steps} steps")


def recorded_env(trained: EnvConfig, config: RecordConfig) -> EnvConfig:
    """The environment of a run, with episodes as long as what is stored of them.

    Those of training end after a second, with their clip, or away from it; a demonstration ends by a fall alone.
    """
    length = config.longest * config.stride
    episode = replace(
        trained.episode, length=length, stop_at_clip_end=False, max_root_error=None, max_object_error=None
    )
    return replace(trained, num_envs=config.rows, seed=config.seed, episode=episode)


@torch.no_grad()
def record_rollouts(
    env: "HOIVectorEnv",
    policy: Callable[[Tensor], Tensor],
    writer: "ReplayWriter",
    config: RecordConfig,
    show: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> None:
    """Appends config.episodes episodes: img (T, size, size, 3) uint8, action (T, A) float32, skill (T, 1) int64.

    An episode goes from a start to a reset, a change of the skill or `longest` steps; shorter ones than a training
    window are left out. policy: observations (N, O) -> actions (N, A).
    """
    from hoigym.rendering.renderer import EnvRenderer

    dt = config.stride * env.sim.control_dt
    renderer = EnvRenderer(env.scene, env.num_envs, dt, config.size, config.size)
    generator = torch.Generator(env.device).manual_seed(config.seed)
    pending: list[dict[str, list[Any]]] = [_nothing() for _ in range(env.num_envs)]
    added = step = lost = 0
    observation, _ = env.reset(seed=config.seed)
    with contextlib.closing(renderer):
        while added < config.episodes:
            action = policy(observation)
            skill = env.skill.clone()
            if step % config.stride == 0:
                for row, picture in enumerate(renderer.render(env.sim.state)):
                    _add(pending[row], img=picture, action=action[row].cpu().numpy(), skill=[int(skill[row])])
            noise = torch.randn(action.shape, generator=generator, device=action.device)
            observation, _, failed, ended, _ = env.step((action + config.noise * noise).clamp(-1.0, 1.0))
            step += 1
            over = (failed | ended | (env.skill != skill)).tolist()
            for row in range(env.num_envs):
                length = len(pending[row]["img"])
                if not over[row] and length < config.longest:
                    continue
                if length >= _SHORTEST and added < config.episodes:
                    writer.append({name: np.asarray(values) for name, values in pending[row].items()})
                    added += 1
                    show("episodes", added, config.episodes)
                elif added < config.episodes:
                    lost += 1
                pending[row] = _nothing()
            if lost > _PATIENCE * (added + 1):
                raise UserError(f"{lost} episodes ended before {_SHORTEST} stored steps; the policy falls too soon")


def _nothing() -> dict[str, list[Any]]:
    return {"img": [], "action": [], "skill": []}


def _add(episode: dict[str, list[Any]], **values: Any) -> None:
    for name, value in values.items():
        episode[name].append(value)


@dataclass(frozen=True)
class _Run:
    """The environment of a run."""

    env: EnvConfig = EnvConfig()
