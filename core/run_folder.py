"""Run folders: what a run was asked to do, kept beside its checkpoints."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hoigym.core.config import Layer, read_layer, restrict, section
from hoigym.core.errors import UserError
from hoigym.core.files import write_atomically

CONFIG_FILE = "config.yaml"


def write_config(run_dir: Path, run_config: Mapping[str, Any]) -> None:
    """Write what a run was asked to do; makes the folder."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with write_atomically(run_dir / CONFIG_FILE) as file:
        file.write(_text(run_config))


def rewrite_config(run_dir: Path, run_config: Mapping[str, Any], until: str) -> None:
    """Write what a run is asked to do from now on; where that is new, the old stays as `config_until_<until>.yaml`."""
    path, kept = run_dir / CONFIG_FILE, run_dir / f"config_until_{until}.yaml"
    if path.exists() and path.read_bytes() != _text(run_config) and not kept.exists():
        shutil.copyfile(path, kept)
    write_config(run_dir, run_config)


class _Dumper(yaml.SafeDumper):
    """Writes a list of numbers in a line."""

    def represent_numbers(self, values: list[Any]) -> yaml.Node:
        numbers = all(isinstance(value, int | float) for value in values)
        return self.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=numbers)


_Dumper.add_representer(list, _Dumper.represent_numbers)


def _text(run_config: Mapping[str, Any]) -> bytes:
    return yaml.dump(_plain(run_config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


# --- Where a run keeps its configuration ----------------------------------------------------------------------------


def env_layer(checkpoint: Path) -> Layer:
    """The environment of the run that a run folder, checkpoint or shipped policy belongs to, as a layer.

    Clips that lie in that folder are found from anywhere. Raises UserError where there is no such folder or it says
    nothing of its environment.
    """
    if not checkpoint.exists():
        raise UserError(f"command line: no run, checkpoint or policy at {checkpoint}")
    path = _config_of(checkpoint)
    if path is None:
        raise UserError(f"{checkpoint}: no {CONFIG_FILE} in it or above it")
    layer = restrict(read_layer(path), ["env"])
    clips = section(layer, "env").get("motion_file")
    if isinstance(clips, str) and clips and (path.parent / clips).exists():
        layer.values["env"]["motion_file"] = str(path.parent / clips)
    return layer


def hands_layer(policy: Path) -> Layer:
    """How the fingers are locked that a policy knows, as a layer; empty where nothing says so."""
    path = _config_of(policy)
    pose = section(read_layer(path), "env", "scene").get("locked_pose") if path else None
    return Layer(str(path), {"env": {"scene": {"locked_pose": pose}}} if pose else {})


def _config_of(policy: Path) -> Path | None:
    folder = policy.resolve()
    # A checkpoint lies in RUN/checkpoints/NAME.
    places = (folder, *list(folder.parents)[:2])
    return next((place / CONFIG_FILE for place in places if (place / CONFIG_FILE).is_file()), None)
