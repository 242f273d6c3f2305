"""Parser of a typed configuration: files and dotted overrides in, a frozen dataclass out."""

import collections
import dataclasses
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from hoigym.core.config import Layer, accepts_none, describe, flatten, groups, leaf_types, nest
from hoigym.core.errors import UserError, nearest, unknown_name

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


# --- The parser of a configuration: files and dotted overrides in, a frozen dataclass out ---------------------------


COMMAND_LINE = "command line"
Config = TypeVar("Config")


class ConfigParser(Generic[Config]):
    """Parses one configuration dataclass, and the plain arguments that `add_argument` puts beside it.

    aliases: short option -> dotted keys it sets, as {"--seed": ("env.seed", "agent.seed")}.
    Every method raises UserError with one line that names the source, the key and what was expected.
    """

    def __init__(
        self, prog: str, config_type: type[Config], aliases: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        # The help shows the docstring under each field.
        set_parsing_settings(docstring_parse_attribute_docstrings=True)
        self._aliases = dict(aliases or {})
        self._config_type = config_type
        self._types = leaf_types(config_type)
        self._groups = groups(self._types)
        self._parser = ArgumentParser(
            prog=prog,
            usage=f"{prog} [--option value ...]",
            description=config_type.__doc__,
            epilog=_alias_help(self._aliases),
            exit_on_error=False,
            allow_abbrev=False,
        )
        self._parser.add_class_arguments(config_type)
        self.add_argument = self._parser.add_argument

    def parse(self, argv: Sequence[str], over: Namespace | None = None) -> Namespace:
        """The command line over the defaults, or over another namespace; --help prints and exits."""
        return self._guard(lambda: self._parser.parse_args(self._expand(argv), namespace=over), COMMAND_LINE)

    def given(self, argv: Sequence[str]) -> dict[str, Any]:
        """What the command line itself sets, by dotted key."""
        self.parse(argv)
        alone = self._guard(lambda: self._parser.parse_args(self._expand(argv), defaults=False), COMMAND_LINE)
        return dict(flatten(alone.as_dict(), self._groups))

    def resolve(self, layers: Sequence[Layer], argv: Sequence[str]) -> Config:
        """The configuration: defaults < layers, in order < command line."""
        namespace = self._parser.get_defaults()
        steps: list[tuple[str, Namespace]] = []
        for layer in layers:
            namespace = self._merge(layer, namespace)
            steps.append((layer.source, namespace))
        steps.append((COMMAND_LINE, self.parse(argv, over=namespace)))
        try:
            return self._build(steps[-1][1])
        except (UserError, ValueError) as error:
            raise UserError(f"{self._culprit(steps)}: {error}") from None

    def _merge(self, layer: Layer, namespace: Namespace) -> Namespace:
        for key, value in flatten(layer.values, self._groups):
            self._check(layer.source, key, value)
        return self._guard(lambda: self._parser.parse_object(layer.values, namespace=namespace), layer.source)

    def _check(self, source: str, key: str, value: Any) -> None:
        shown = "nothing" if value is None else f"'{value}'"
        if key in self._groups:
            raise UserError(f"{source}: {key}: expected keys and values, got {shown}")
        if key not in self._types:
            raise UserError(f"{source}: {unknown_key(key, self._types)}")
        if value is None and not accepts_none(self._types[key]):
            raise UserError(f"{source}: {key}: expected {describe(self._types[key])}, got {shown}")
        self._guard(lambda: self._parser.parse_object(nest(key, value), defaults=False), source)

    def _guard(self, parse: Callable[[], Namespace], source: str) -> Namespace:
        try:
            return parse()
        except ArgumentError as error:
            raise UserError(f"{source}: {explain(str(error), self._types, self._options())}") from None

    def _build(self, namespace: Namespace) -> Config:
        built = self._parser.instantiate(namespace)
        return self._config_type(**{key.split(".")[0]: built[key.split(".")[0]] for key in self._types})

    def _culprit(self, steps: Sequence[tuple[str, Namespace]]) -> str:
        """The first source after which the configuration cannot be built."""
        for source, namespace in steps:
            try:
                self._build(namespace)
            except (UserError, ValueError):
                return source
        return COMMAND_LINE

    def _options(self) -> Iterable[str]:
        plain = [option for action in self._parser._actions for option in action.option_strings]
        return [*(option for option in plain if option.startswith("--")), *self._aliases]

    def _expand(self, argv: Sequence[str]) -> list[str]:
        """The arguments with aliases spelled out, and `--switch` alone as `--switch=true`."""
        expanded: list[str] = []
        rest = collections.deque(argv)
        while rest:
            option, equals, value = rest.popleft().partition("=")
            keys = self._aliases.get(option, [option.removeprefix("--")])
            alone = not equals and (not rest or rest[0].startswith("--"))
            if alone and all(self._types.get(key) is bool for key in keys):
                equals, value = "=", "true"
            if option in self._aliases:
                if alone and not equals:
                    raise UserError(f"{COMMAND_LINE}: {option}: expected a value")
                value = value if equals else rest.popleft()
                expanded += [f"--{key}={value}" for key in keys]
            else:
                expanded.append(option + equals + value)
        return expanded


def _alias_help(aliases: Mapping[str, Sequence[str]]) -> str | None:
    pairs = [f"{short} = {' and '.join(f'--{key}' for key in keys)}" for short, keys in aliases.items()]
    return f"Short forms: {'; '.join(pairs)}." if pairs else None


# --- Commands that are several actions, such as `run.py motions info` -----------------------------------------------


def parse_action(command: str, actions: Mapping[str, type], argv: Sequence[str]) -> tuple[str, Any]:
    """The action's name and its configuration; prints the actions and exits for --help.

    actions: name -> dataclass. Fields whose default is None must be given, and may stand in front without
    their names, as in `motions convert clips out`. Raises UserError.
    """
    arguments = list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: run.py {command} ACTION [PATH ...] [--option value ...]\n")
        for name, config_type in actions.items():
            print(f"  {name:<8} {config_type.__doc__}")
        raise SystemExit(0)
    action = arguments.pop(0)
    if action not in actions:
        raise UserError(f"{COMMAND_LINE}: {unknown_name('action', action, actions)}")
    required = [field.name for field in dataclasses.fields(actions[action]) if field.default is None]
    for place, name in enumerate(required):
        if place >= len(arguments) or arguments[place].startswith("-"):
            break
        arguments[place] = f"--{name}={arguments[place]}"
    config = ConfigParser(f"run.py {command} {action}", actions[action]).resolve([], arguments)
    for name in required:
        if getattr(config, name) is None:
            raise UserError(f"{COMMAND_LINE}: --{name} is missing")
    return action, config
