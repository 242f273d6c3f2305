"""The parser of a configuration: files and dotted overrides in, a frozen dataclass out."""

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from commands.layers import Layer, flatten, nest
from commands.messages import explain, unknown_key
from commands.schema import accepts_none, describe, groups, leaf_types
from motions.errors import UserError

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
