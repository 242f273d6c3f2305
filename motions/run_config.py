"""What a run was asked to do, kept in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CONFIG_FILE = "config.yaml"


def write_config(run_dir: Path, run_config: Mapping[str, Any]) -> None:
    """Write what a run was asked to do; makes the folder."""
    run_dir.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(_plain(run_config), sort_keys=False, allow_unicode=True)
    (run_dir / CONFIG_FILE).write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
