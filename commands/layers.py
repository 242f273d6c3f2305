"""Configuration in layers: dataclass defaults < files, in order < command line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from motions.errors import UserError
from motions.names import unknown_name

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
