"""The metric of every skill, as cfg/metrics has it."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evaluation.metric_file import MetricFileError, mapping, number, only, parse_rules, read_mapping
from evaluation.rules import Rule
from motions.clip import NUM_SKILLS
from motions.errors import UserError
from motions.names import unknown_name

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
