"""Typed configuration in layers: dataclass defaults < files, in order < command line."""

import dataclasses
import enum
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar

import yaml

from hoigym.core.errors import UserError, unknown_name


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


# --- Configuration in layers: dataclass defaults < files, in order < command line -----------------------------------


CFG = Path(__file__).parent.parent / "cfg"


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' is given twice", key_node.start_mark)
            seen.add(key if isinstance(key, str) else None)
        return super().construct_mapping(node, deep=deep)


@dataclass(frozen=True)
class Layer:
    """Values of one source; `source` is what an error calls it."""

    source: str
    values: dict[str, Any]


def read_layer(path: Path) -> Layer:
    """A YAML file as a layer; raises UserError for a file that is missing, not YAML or not a mapping."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}: not valid YAML{line}: {getattr(error, 'problem', error)}") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected keys and values, got {type(values).__name__}")
    return Layer(str(path), values)


def named_layer(kind: str, name: str) -> Layer:
    """The layer of a task or recipe, cfg/<kind>s/<name>.yaml; raises UserError for an unknown name."""
    path = CFG / f"{kind}s" / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in path.parent.glob("*.yaml")]
        raise UserError(unknown_name(kind, name, known))
    return read_layer(path)


def restrict(layer: Layer, keys: Sequence[str]) -> Layer:
    """The layer with only these top-level keys."""
    return Layer(layer.source, {key: layer.values[key] for key in keys if key in layer.values})


def section(layer: Layer, *names: str) -> dict[str, Any]:
    """What the layer says under names, one within the other; empty where there is no mapping."""
    values: Any = layer.values
    for name in names:
        values = values.get(name)
        if not isinstance(values, dict):
            return {}
    return values


def flatten(values: Mapping[str, Any], groups: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; a mapping is opened only where it stands for a group of keys."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if key in groups and isinstance(value, Mapping):
            yield from flatten(value, groups, key + ".")
        else:
            yield key, value


def nest(key: str, value: Any) -> dict[str, Any]:
    """{"a.b": 1} as {"a": {"b": 1}}."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


# --- Configurations from the plain values of a config.yaml ----------------------------------------------------------


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
