"""Makes environments: from a configuration, or by the names that gymnasium knows."""

from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.envs.vector_env import HOIVectorEnv

_TASKS = Path(__file__).parent.parent / "cfg" / "tasks"


def make_env(config: EnvConfig) -> HOIVectorEnv:
    """The environment of a configuration; raises UserError where its clips do not fit."""
    return HOIVectorEnv(config)


def make_task(task: str, num_envs: int, render_mode: str | None = None, **overrides: Any) -> HOIVectorEnv:
    """Entry point of `gymnasium.make_vec("hoigym/...", num_envs=...)`; overrides as in `task_config`."""
    return HOIVectorEnv(task_config(task, num_envs=num_envs, **overrides), render_mode=render_mode)


def task_config(task: str, **overrides: Any) -> EnvConfig:
    """The configuration of a task in cfg/tasks with some of its values replaced.

    overrides: by name; nested ones as mappings, as in `scene={"hands": "locked"}`.
    """
    path = _TASKS / f"{task}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in _TASKS.glob("*.yaml")))
        raise UserError(f"no task '{task}'; there are {known}")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(EnvConfig)
    values = yaml.safe_load(path.read_text())["env"]
    return EnvConfig(**parser.instantiate(parser.parse_object(_merged(values, overrides))).as_dict())


def _merged(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in overrides.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
