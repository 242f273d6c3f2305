"""Configurations from the plain values of a config.yaml."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

Config = TypeVar("Config")


def from_plain(config_type: type[Config], values: Mapping[str, Any]) -> Config:
    """A dataclass of mappings, lists and scalars; missing fields take their defaults.

    Raises TypeError for a field that the dataclass does not have.
    """
    hints = typing.get_type_hints(config_type)
    return config_type(**{name: _field(hints.get(name), value) for name, value in values.items()})


def _field(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type, hint), value)
    return tuple(value) if isinstance(value, list) else value
