"""The one line a user reads when an argument or a value is wrong."""

import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from commands.schema import describe, leaf_types
from motions.names import nearest

# Flags of the published system that have no counterpart, and what to use.
_FOREIGN = {
    "--headless": "every run is headless, leave it out",
    "--test": "use the command 'play'",
    "--play_dataset": "use the command 'replay'",
    "--train": "use the command 'train'",
    "--cfg_env": "use --task and --config",
    "--cfg_train": "use --recipe and --config",
    "--resume_from": "use --start_from POLICY, or --resume RUN to go on with a run",
    "--output_path": "use --run_dir",
    "--save_images": "use the command 'record'",
    "--episode_length": "use --env.episode.length",
}
_KEY = re.compile(r'Parser key "([^"]+)"')
_VALUE = re.compile(r"(?:Got|Given) value: (.*?)\s*$", re.DOTALL)
_UNRECOGNIZED = re.compile(r"unrecognized arguments: (\S+)")
_EXPECTED = re.compile(r"argument (\S+): expected (.*)")
_UNLOADABLE = re.compile(r"Unable to load config ['\"]([^'\"]+)")
_NESTED_OPTION = re.compile(r"Option '([^']+)' is not accepted")


def explain(message: str, types: Mapping[str, Any], options: Iterable[str]) -> str:
    """What a message of the parsing library means, on one line.

    types: the type of every dotted key. options: every option of the command line.
    """
    if found := _UNRECOGNIZED.search(message):
        return _unknown_argument(found[1], options)
    if found := _EXPECTED.search(message):
        return f"{found[1]}: expected {found[2].replace('one argument', 'a value')}"
    key = _KEY.search(message)
    if key is None:
        return " ".join(message.split())
    if found := _UNLOADABLE.search(message):
        return f"{key[1]}: expected keys and values, got '{found[1]}'"
    if found := _NESTED_OPTION.search(message):
        return f"{key[1]}: {unknown_key(found[1], _item_keys(types.get(key[1])))}"
    value = _VALUE.search(message)
    if value is None or key[1] not in types:
        return " ".join(message.split())
    return f"{key[1]}: expected {describe(types[key[1]])}, got '{value[1].splitlines()[0]}'"


def unknown_key(key: str, candidates: Iterable[str]) -> str:
    """An unknown key and the nearest valid one."""
    candidates = list(candidates)
    hint = f"; the nearest is '{nearest(key, candidates)}'" if candidates else ""
    return f"unknown key '{key}'{hint}"


def _unknown_argument(argument: str, options: Iterable[str]) -> str:
    name = argument.split("=")[0]
    if not name.startswith("-"):
        return f"unexpected argument '{argument}'"
    if name in _FOREIGN:
        return f"unknown option '{name}': {_FOREIGN[name]}"
    return f"unknown option '{name}'; the nearest is '{nearest(name, options)}'"


def _item_keys(hint: Any) -> list[str]:
    """Keys of the dataclasses that stand in a list type such as tuple[BallConfig, ...]."""
    if hasattr(hint, "__dataclass_fields__"):
        return list(leaf_types(hint))
    return [key for arg in typing.get_args(hint) for key in _item_keys(arg)]
