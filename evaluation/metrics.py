"""Metrics of skills, read from cfg/metrics."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from hoigym.core.errors import UserError, unknown_name
from hoigym.evaluation.quantities import QUANTITIES
from hoigym.evaluation.rules import Always, Bound, Count, End, Latch, Mean, Range, Rule, Stage, Stages, Where
from hoigym.motions.clip import NUM_SKILLS

_STATISTICS = ("max", "min", "mean")


class MetricFileError(UserError):
    """A file of metrics or tables that cannot be understood."""


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds keys and values; raises MetricFileError."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MetricFileError(f"{path}: {' '.join(str(error).split())}") from None
    return mapping(values, str(path))


def mapping(values: Any, where: str) -> dict[str, Any]:
    """values, if they are keys and values; raises MetricFileError."""
    if not isinstance(values, dict):
        raise MetricFileError(f"{where}: expected keys and values, got {values!r}")
    return values


def only(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raises MetricFileError for a key that is not among known ones."""
    for key in values:
        if key not in known:
            raise MetricFileError(f"{where}: unknown key '{key}'; expected {', '.join(known)}")


def number(value: Any, where: str) -> float:
    """value, if it is a number; raises MetricFileError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MetricFileError(f"{where}: expected a number, got {value!r}")
    return float(value)


def parse_rules(values: Any, where: str) -> tuple[Rule, ...]:
    """Rules of one form of a metric."""
    if not isinstance(values, list) or not values:
        raise MetricFileError(f"{where}: expected a list of rules, got {values!r}")
    return tuple(_rule(mapping(item, where), where) for item in values)


def _rule(values: dict[str, Any], where: str) -> Rule:
    kinds = [key for key in values if key in _PARSERS]
    if len(kinds) != 1:
        raise MetricFileError(f"{where}: expected one rule of {', '.join(_PARSERS)}, got {', '.join(values)}")
    kind = kinds[0]
    options = {key: value for key, value in values.items() if key != kind}
    return _PARSERS[kind](values[kind], options, f"{where}: {kind}")


def _always(values: Any, options: dict[str, Any], where: str) -> Rule:
    only(options, ("after",), where)
    return Always(_where(values, where), number(options.get("after", 0.0), where))


def _stages(values: Any, options: dict[str, Any], where: str) -> Rule:
    only(options, ("every",), where)
    if not isinstance(values, list) or not values:
        raise MetricFileError(f"{where}: expected a list of stages, got {values!r}")
    every = None if "every" not in options else number(options["every"], where)
    return Stages(tuple(_stage(mapping(item, where), where) for item in values), every)


def _stage(values: dict[str, Any], where: str) -> Stage:
    ranges = {key: value for key, value in values.items() if key != "hold"}
    return Stage(_where(ranges, where), number(values.get("hold", 0.0), f"{where}: hold"))


def _count(values: Any, options: dict[str, Any], where: str) -> Rule:
    only(options, ("over", "under", "share", "after"), where)
    if not {"over", "under", "share"} & set(options):
        raise MetricFileError(f"{where}: expected over, under or share")
    return Count(_where(values, where), **{key: number(value, where) for key, value in options.items()})


def _mean(values: Any, options: dict[str, Any], where: str) -> Rule:
    only(options, (), where)
    return Mean(_where(values, where))


def _end(values: Any, options: dict[str, Any], where: str) -> Rule:
    only(options, (), where)
    return End(_where(values, where))


def _latch(values: Any, options: dict[str, Any], where: str) -> Rule:
    values = mapping(values, where)
    only({**values, **options}, ("until", "before", "after", "mode"), where)
    mode = values.get("mode", "and")
    if mode not in ("and", "or"):
        raise MetricFileError(f"{where}: mode: expected and, or; got {mode!r}")
    return Latch(
        until=int(number(values.get("until"), f"{where}: until")),
        before=_where(values.get("before"), f"{where}: before"),
        after=_where(values.get("after"), f"{where}: after"),
        mode=mode,
    )


def _where(values: Any, where: str) -> Where:
    values = mapping(values, where)
    if not values:
        raise MetricFileError(f"{where}: no condition")
    return Where(tuple(_range(name, item, f"{where}: {name}") for name, item in values.items()))


def _range(name: str, values: Any, where: str) -> Range:
    if name not in QUANTITIES:
        raise MetricFileError(f"{where}: unknown quantity; expected {', '.join(QUANTITIES)}")
    values = mapping(values, where)
    only(values, ("min", "max"), where)
    if not values:
        raise MetricFileError(f"{where}: expected min, max or both")
    return Range(name, **{side: _bound(value, f"{where}: {side}") for side, value in values.items()})


def _bound(value: Any, where: str) -> Bound:
    if not isinstance(value, dict):
        return Bound(number(value, where))
    only(value, ("of", "times", "plus"), where)
    statistic, _, quantity = str(value.get("of")).partition("_")
    if statistic not in _STATISTICS or quantity not in QUANTITIES:
        raise MetricFileError(f"{where}: of: expected max_, min_ or mean_ and a quantity, got {value.get('of')!r}")
    plus, times = number(value.get("plus", 0.0), where), number(value.get("times", 1.0), where)
    return Bound(plus, f"{statistic}_{quantity}", times)


_PARSERS: dict[str, Callable[[Any, dict[str, Any], str], Rule]] = {
    "always": _always,
    "stages": _stages,
    "count": _count,
    "mean": _mean,
    "end": _end,
    "latch": _latch,
}


# --- The metric of every skill, as cfg/metrics has it ---------------------------------------------------------------


METRICS = Path(__file__).parent.parent / "cfg" / "metrics"
Form = Literal["corrected", "published"]


@dataclass(frozen=True)
class Metric:
    """When a trial of a skill is a success: every rule holds.

    name: of the skill. skill: its id. corrected, published: rules of either form; published is None where that is not
    offered. after_switch: rules that take their place where the trial began in another skill, by form.
    """

    name: str
    skill: int
    corrected: tuple[Rule, ...]
    published: tuple[Rule, ...] | None
    after_switch: Mapping[str, tuple[Rule, ...]]

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @property
    def has_object(self) -> bool:
        """Whether it is about an object too."""
        return any(where.needs_object for rule in self.corrected for where in rule.wheres())

    def offers(self, form: Form) -> bool:
        """Whether there are rules of a form."""
        return form == "corrected" or self.published is not None

    def rules(self, form: Form, switched: bool = False) -> tuple[Rule, ...]:
        """The rules of a form; raises UserError where it is not offered."""
        if switched and form in self.after_switch:
            return self.after_switch[form]
        rules = self.corrected if form == "corrected" else self.published
        if rules is None:
            raise UserError(f"metric {self.name} has no published form; use the corrected one")
        return rules


@functools.cache
def load_metrics(skeleton: str) -> dict[str, Metric]:
    """The metrics of a skeleton by name. Raises MetricFileError for a broken file."""
    path = METRICS / f"{skeleton}.yaml"
    metrics: dict[str, Metric] = {}
    for name, values in read_mapping(path).items():
        if not name.startswith("."):  # rules that several metrics share
            metrics[name] = _metric(name, values, f"{path.name}: {name}")
    return metrics


def metric_named(skeleton: str, name: str) -> Metric:
    """The metric of the skill called name; raises UserError with the nearest name for an unknown one."""
    metrics = load_metrics(skeleton)
    if name not in metrics:
        raise UserError(unknown_name("skill", name, metrics))
    return metrics[name]


def metrics_of(skeleton: str, skills: Sequence[int]) -> list[Metric]:
    """The first metric of each skill id that has one."""
    found: dict[int, Metric] = {}
    for metric in load_metrics(skeleton).values():
        if metric.skill in skills:
            found.setdefault(metric.skill, metric)
    return list(found.values())


def _metric(name: str, values: Any, where: str) -> Metric:
    values = mapping(values, where)
    only(values, ("skill", "corrected", "published", "after_switch"), where)
    skill = number(values.get("skill"), f"{where}: skill")
    if skill not in range(NUM_SKILLS):
        raise MetricFileError(f"{where}: skill: expected an id from 0 to {NUM_SKILLS - 1}")
    published = values.get("published")
    after_switch = mapping(values.get("after_switch", {}), f"{where}: after_switch")
    only(after_switch, ("corrected", "published"), f"{where}: after_switch")
    return Metric(
        name=name,
        skill=int(skill),
        corrected=parse_rules(values.get("corrected"), f"{where}: corrected"),
        published=None if published is None else parse_rules(published, f"{where}: published"),
        after_switch={
            form: parse_rules(rules, f"{where}: after_switch: {form}") for form, rules in after_switch.items()
        },
    )
