"""Makes environments: from a configuration, or by the names that gymnasium knows."""

from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from envs.config import EnvConfig
from envs.scene.scene import Scene
from envs.sim.base import Simulator
from envs.vector_env import HOIVectorEnv
from motions.errors import UserError

_TASKS = Path(__file__).parent.parent / "cfg" / "tasks"


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
    return parser.instantiate_classes(parser.parse_object(_merged(values, overrides)))


def _merged(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in overrides.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
