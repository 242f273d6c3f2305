"""What a run was asked to do, kept in its folder."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from motions.atomic import write_atomically

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
