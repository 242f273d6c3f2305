"""What keys a configuration dataclass has, and how to write one down."""

import dataclasses
import enum
import types
import typing
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any


def leaf_types(config_type: type, prefix: str = "") -> dict[str, Any]:
    """Type of every dotted key of a dataclass, nested dataclasses opened: {"env.num_envs": int, ...}."""
    hints = typing.get_type_hints(config_type)
    leaves: dict[str, Any] = {}
    for field in dataclasses.fields(config_type):
        key, hint = prefix + field.name, hints[field.name]
        if dataclasses.is_dataclass(hint):
            leaves.update(leaf_types(typing.cast(type, hint), key + "."))
        else:
            leaves[key] = hint
    return leaves


def groups(leaves: Iterable[str]) -> set[str]:
    """The dotted keys that hold other keys."""
    parts = [key.split(".") for key in leaves]
    return {".".join(part[:depth]) for part in parts for depth in range(1, len(part))}


def accepts_none(hint: Any) -> bool:
    """Whether None is a value of the type."""
    return hint is None or hint is type(None) or hint is Any or type(None) in typing.get_args(hint)


def describe(hint: Any) -> str:
    """A type as a user reads it: "int", "float or null", "one of 'a', 'b'"."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None):
        return "null"
    if origin is typing.Literal:
        return f"one of {', '.join(repr(value) for value in args)}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(arg) for arg in args)
    if origin is tuple and args and args[-1] is not Ellipsis:
        return f"a list of {len(args)} ({', '.join(describe(arg) for arg in args)})"
    if origin in (tuple, list):
        return f"a list of {describe(args[0])}" if args else "a list"
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return "a path"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return f"one of {', '.join(hint.__members__)}"
    return getattr(hint, "__name__", str(hint)) if origin is None else str(hint)


def to_plain(value: Any) -> Any:
    """A configuration as mappings, lists and scalars, ready for YAML."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    return str(value) if isinstance(value, PurePath) else value
