"""Evaluation tables: which skills and transitions are tried together, and how."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hoigym.core.errors import UserError, unknown_name
from hoigym.evaluation.metrics import Form, Metric, MetricFileError, mapping, metric_named, number, only, read_mapping

Progress = Callable[[str, int, int], None]
"""Told what is under way, steps done, steps in all."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How trials are run, and which cells are measured beside those of the table. Raises UserError for what is none."""

    trials: int = 200
    """Trials of each skill, noisy start or switch; spread over the seeds."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of starts and noise."""
    metric: Form = "corrected"
    """The rules of success: corrected ones, or those of the published system."""
    horizon: float | None = None
    """Length of a trial [s]; 0 is to the end of the clip; that of the table, 10, where left out."""
    rows: int = 0
    """Trials that run side by side; 0 chooses."""
    walk: int = 0
    """Ask for so many skills one after the other, along the trajectory graph (of --env.start.graph_file, or built)."""
    leg: float = 4.0
    """How long each skill of a walk is asked for [s]."""
    push: float = 0.0
    """Also measure success when every second a blow gives the body this speed [m/s]."""
    projectiles: Literal["off", "auto"] = "off"
    """auto: also measure success when boxes are thrown, in the rhythm and at the speed of the published system."""
    scatter: bool = False
    """Also measure success with the objects at random places around the humanoid, as published for pick-up."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise UserError(f"seeds: expected different ones, got {list(self.seeds)}")
        if self.trials < 1:
            raise UserError(f"trials {self.trials}: expected 1 or more")
        if self.trials % len(self.seeds):
            raise UserError(f"trials {self.trials}: expected a multiple of the {len(self.seeds)} seeds")
        if self.horizon is not None and not self.horizon >= 0:
            raise UserError(f"horizon {self.horizon}: expected seconds, or 0 for the end of the clip")
        if self.rows < 0:
            raise UserError(f"rows {self.rows}: expected 1 or more, or 0 for a choice")
        if self.push < 0:
            raise UserError(f"push {self.push}: expected a speed, or 0 for none")
        if self.walk < 0 or not self.leg > 0:
            raise UserError(f"walk {self.walk}, leg {self.leg}: expected a number of skills and seconds above 0")


# --- Which skills and transitions are evaluated together: the published tables, as cfg/evaluation has them ----------


TABLES = Path(__file__).parent.parent / "cfg" / "evaluation"
HORIZON = 10.0
"""Length of a trial [s] where nothing else is said (SkillMimic-V2)."""


OURS = "ours"
"""The published row of the whole method."""


@dataclass(frozen=True)
class Table:
    """What to evaluate.

    task: whose policies it is for; None is any. horizon: length of a trial [s]; 0 is to the end of the clip.
    skills: evaluated from their own reference; every one of the clips where None. scattered: those of them that are
    tried with the objects at random places too. transitions: (from, to).
    published: figures by skill and column; published_transitions: in the order of transitions, None where there
    is none; source: where they stand.
    """

    title: str
    task: str | None
    horizon: float
    skills: tuple[Metric, ...] | None
    transitions: tuple[tuple[Metric, Metric], ...]
    scattered: tuple[Metric, ...] = ()
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    published_transitions: tuple[float | None, ...] = ()
    source: str = ""


def load_table(name: str, skeleton: str, row: str = OURS) -> Table:
    """A table of cfg/evaluation with the figures of a published row.

    Raises UserError with the nearest name for an unknown table, row or skill, and MetricFileError for a broken file.
    """
    path = TABLES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(unknown_name("table", name, (file.stem for file in TABLES.glob("*.yaml"))))
    values = read_mapping(path)
    only(values, ("title", "task", "horizon", "skills", "scattered", "transitions", "published"), path.name)
    for key in ("title", "task", "skills"):
        if key not in values:
            raise MetricFileError(f"{path.name}: no {key}")
    skills = _metrics(values["skills"], skeleton, f"{path.name}: skills")
    scattered = _metrics(values.get("scattered", []), skeleton, f"{path.name}: scattered")
    for metric in scattered:
        if metric not in skills or not metric.has_object:
            raise MetricFileError(f"{path.name}: scattered: {metric.name}: expected one of skills, with an object")
    transitions = f"{path.name}: transitions"
    pairs = [_metrics(pair, skeleton, transitions) for pair in _listed(values.get("transitions", []), transitions)]
    if any(len(pair) != 2 for pair in pairs):
        raise MetricFileError(f"{transitions}: expected pairs of skills")
    published = mapping(values.get("published", {}), f"{path.name}: published")
    only(published, ("source", "rows"), f"{path.name}: published")
    rows = mapping(published.get("rows", {OURS: {}}), f"{path.name}: published: rows")
    if row not in rows:
        raise UserError(unknown_name(f"row of table '{name}'", row, rows))
    chosen = mapping(rows[row], f"{path.name}: published: {row}")
    only(chosen, ("skills", "transitions"), f"{path.name}: published: {row}")
    figures = tuple(number(value, transitions) for value in _listed(chosen.get("transitions", []), transitions))
    if len(figures) not in (0, len(pairs)):
        raise MetricFileError(f"{path.name}: published: {row}: expected a figure for each transition")
    return Table(
        title=str(values["title"]),
        task=str(values["task"]),
        horizon=number(values.get("horizon", HORIZON), f"{path.name}: horizon"),
        skills=skills,
        transitions=tuple((pair[0], pair[1]) for pair in pairs),
        scattered=scattered,
        published=_figures(chosen.get("skills", {}), path.name),
        published_transitions=figures,
        source=f"{published.get('source', '')}, row {row}",
    )


def own_table(skeleton: str, skills: Sequence[str], switches: Sequence[str]) -> Table:
    """A table of skills by name, of every skill of the clips where neither skills nor switches are given.

    switches: transitions as "FROM:TO". What is named twice is evaluated once. Raises UserError for unknown names.
    """
    asked = [metric_named(skeleton, name) for name in dict.fromkeys(skills)]
    pairs = [_pair(skeleton, switch) for switch in dict.fromkeys(switches)]
    return Table("Evaluation", None, HORIZON, tuple(asked) if asked or pairs else None, tuple(pairs))


def _pair(skeleton: str, switch: str) -> tuple[Metric, Metric]:
    names = switch.split(":")
    if len(names) != 2:
        raise UserError(f"switch '{switch}': expected FROM:TO, such as dribble_left:dribble_right")
    return metric_named(skeleton, names[0]), metric_named(skeleton, names[1])


def _listed(values: Any, where: str) -> list[Any]:
    if not isinstance(values, list):
        raise MetricFileError(f"{where}: expected a list, got {values!r}")
    return values


def _metrics(values: Any, skeleton: str, where: str) -> tuple[Metric, ...]:
    return tuple(metric_named(skeleton, str(name)) for name in _listed(values, where))


def _figures(values: Any, where: str) -> dict[str, dict[str, float]]:
    return {
        skill: {column: number(value, where) for column, value in mapping(columns, where).items()}
        for skill, columns in mapping(values, where).items()
    }
