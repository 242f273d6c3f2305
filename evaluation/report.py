"""Report of an evaluation: JSON for programs, Markdown and a picture for people."""

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hoigym.core.files import make_folder, write_atomically

_Z95 = 1.959963984540054


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a success rate (Wilson's score interval); (0, 1) for no trial."""
    if trials == 0:
        return 0.0, 1.0
    rate, square = successes / trials, _Z95 * _Z95
    centre = rate + square / (2 * trials)
    spread = _Z95 * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    low, high = ((centre + side * spread) / (1 + square / trials) for side in (-1, 1))
    # Rounding must not leave the certain ends out.
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


# --- What an evaluation found, and how it is written: JSON for programs, Markdown for people ------------------------


@dataclass(frozen=True)
class Cell:
    """One group of trials of a skill.

    kind: "SR" from its own reference, "eNSR" from noisy starts, "pushed" under blows, "projectiles" under thrown boxes,
    "scattered" with the objects at random places, "TSR" after a switch from start_skill, "walk" a leg of a skill walk.
    low, high: 95 % interval of the success rate (Wilson). lost: trials in which the simulation blew up; they count as
    failures. The errors are means over trials, None where there is no reference to compare with: reward of a step (NR,
    1 at most), accuracy (share of frames), body_error and object_error [mm], contact_error.
    """

    kind: str
    skill: str
    start_skill: str
    trials: int
    successes: int
    low: float
    high: float
    lost: int
    reward: float | None
    accuracy: float | None
    body_error: float | None
    object_error: float | None
    contact_error: float | None
    published: Mapping[str, float]

    @property
    def rate(self) -> float:
        return self.successes / self.trials


@dataclass(frozen=True)
class Report:
    """An evaluation. horizon: [s], 0 to the end of the clip; seeds: trials are spread evenly over them."""

    title: str
    checkpoint: str
    task: str
    engine: str
    hands: str
    form: str
    horizon: float
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]
    source: str

    def of_kind(self, kind: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == kind]

    def mean_rate(self, kind: str) -> float | None:
        """Mean success rate over the skills or transitions; None where there is none."""
        rates = [cell.rate for cell in self.of_kind(kind)]
        return sum(rates) / len(rates) if rates else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, with the rates."""
        cells = [{**asdict(cell), "rate": cell.rate} for cell in self.cells]
        means = {kind: self.mean_rate(kind) for kind in ("SR", "eNSR", "TSR")}
        return {**asdict(self), "cells": cells, "mean_rates": means}


def write_report(report: Report, folder: Path) -> list[Path]:
    """Writes report.json and report.md to folder, each whole or not at all; raises UserError without a folder."""
    make_folder(folder)
    texts = {"report.json": json.dumps(report.as_dict(), indent=2) + "\n", "report.md": markdown(report)}
    for name, text in texts.items():
        with write_atomically(folder / name) as file:
            file.write(text.encode())
    return [folder / name for name in texts]


def markdown(report: Report) -> str:
    """The report as Markdown tables."""
    horizon = f"{report.horizon:g} s" if report.horizon else "to the end of the clip"
    lines = [
        f"# {report.title}",
        "",
        f"Policy `{report.checkpoint}`, task {report.task}, engine {report.engine}, {report.hands} hands. "
        f"Metrics: {report.form}. Trials: one life each, {horizon}, seeds {', '.join(map(str, report.seeds))}. "
        "Success rates in % with 95 % Wilson intervals.",
        "",
        *_skill_table(report),
        *_transition_table(report),
        *_walk_table(report),
    ]
    if any(cell.published for cell in report.cells):
        lines += [f"Published: {report.source}. Another simulator: not comparable one to one.", ""]
    lines += [f"- {note}" for note in report.notes]
    return "\n".join(lines).rstrip() + "\n"


def _skill_table(report: Report) -> list[str]:
    plain = {cell.skill: cell for cell in report.of_kind("SR")}
    noisy = {cell.skill: cell for cell in report.of_kind("eNSR")}
    if not plain:
        return []
    head = ["skill", "trials", "SR", "εNSR", "NR", "Acc", "E_b mm", "E_o mm", "E_cg", "lost"]
    rows = [
        [
            skill.replace("_", " "),
            str(cell.trials),
            _rate(cell),
            _rate(noisy.get(skill)),
            _number(cell.reward, "{:.2f}"),
            _number(cell.accuracy, "{:.1%}"),
            _number(cell.body_error, "{:.0f}"),
            _number(cell.object_error, "{:.0f}"),
            _number(cell.contact_error, "{:.3f}"),
            str(cell.lost + (noisy[skill].lost if skill in noisy else 0)),
        ]
        for skill, cell in plain.items()
    ]
    mean = [f"{100 * value:.1f}" if value is not None else "" for value in map(report.mean_rate, ("SR", "eNSR"))]
    rows.append(["**mean**", "", *mean, _mean(plain.values(), lambda cell: cell.reward), *[""] * 5])
    for kind, title in {"pushed": "pushed", "projectiles": "projectiles", "scattered": "random place"}.items():
        tried = {cell.skill: cell for cell in report.of_kind(kind)}
        if tried:
            head.append(title)
            for row, skill in zip(rows, plain, strict=False):
                row.append(_rate(tried.get(skill)) + _published(tried.get(skill)))
            rows[-1].append(f"{100 * (report.mean_rate(kind) or 0):.1f}")
    if any(key in cell.published for cell in plain.values() for key in ("SR", "eNSR", "NR")):
        head.append("published SR / εNSR / NR")
        for row, cell in zip(rows, plain.values(), strict=False):
            row.append(" / ".join(f"{cell.published[key]:g}" for key in ("SR", "eNSR", "NR") if key in cell.published))
        rows[-1].append("")
    return [*_table(head, rows), ""]


def _transition_table(report: Report) -> list[str]:
    cells = report.of_kind("TSR")
    if not cells:
        return []
    head = ["transition", "trials", "TSR", "lost"]
    rows = [
        [f"{cell.start_skill} → {cell.skill}".replace("_", " "), str(cell.trials), _rate(cell), str(cell.lost)]
        for cell in cells
    ]
    rows.append(["**mean**", "", f"{100 * (report.mean_rate('TSR') or 0):.1f}", ""])
    if any(cell.published for cell in cells):
        head.append("published TSR")
        for row, cell in zip(rows, cells, strict=False):
            row.append(_number(cell.published.get("TSR"), "{:g}"))
        rows[-1].append("")
    return [*_table(head, rows), ""]


def _walk_table(report: Report) -> list[str]:
    cells = report.of_kind("walk")
    rows = [[cell.skill.replace("_", " "), str(cell.trials), _rate(cell)] for cell in cells]
    return [*_table(["skill walk", "walks", "success"], rows), ""] if rows else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _rate(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"{100 * cell.rate:.1f} [{100 * cell.low:.1f}, {100 * cell.high:.1f}]"


def _published(cell: Cell | None) -> str:
    figure = None if cell is None else cell.published.get(cell.kind)
    return "" if figure is None else f" (published {figure:g})"


def _number(value: float | None, form: str) -> str:
    return "" if value is None or math.isnan(value) else form.format(value)


def _mean(cells: Any, value: Callable[[Cell], float | None]) -> str:
    values = [number for cell in cells if (number := value(cell)) is not None]
    return f"{sum(values) / len(values):.2f}" if values else ""


# --- One picture of an evaluation -----------------------------------------------------------------------------------


_KINDS = {
    "SR": "#2f6f9f",
    "eNSR": "#d98a3d",
    "TSR": "#5f8f4e",
    "walk": "#7a6a9a",
    "pushed": "#b0506a",
    "projectiles": "#3f9a94",
    "scattered": "#8c8a3c",
}
_LABELS = {
    "SR": "SR: from the reference",
    "eNSR": "εNSR: noisy start",
    "TSR": "TSR: after a switch",
    "walk": "skill walk",
    "pushed": "under pushes",
    "projectiles": "under thrown boxes",
    "scattered": "objects at random places",
}


def draw_report(report: Report, path: Path) -> None:
    """Success rates as bars with their 95 % intervals, published ones as ticks; a .png, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = _groups(report)
    figure = Figure(figsize=(max(6.0, 1.6 * len(groups) + 2.0), 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    drawn: set[str] = set()
    for place, cells in enumerate(groups.values()):
        width = 0.8 / max(2, len(cells))
        for index, cell in enumerate(cells):
            x = place + (index - (len(cells) - 1) / 2) * width
            _draw_bar(axes, x, width, cell, _LABELS[cell.kind] if cell.kind not in drawn else None)
            drawn.add(cell.kind)
            published = cell.published.get(cell.kind)
            if published is not None:
                label = "published" if "published" not in drawn else None
                axes.plot([x - width / 2, x + width / 2], [published] * 2, color="black", lw=1.6, label=label)
                drawn.add("published")
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("success [%]")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    trials = report.cells[0].trials
    axes.set_title(f"{report.title}: {trials} trials each, {report.form} metrics", fontsize=11)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    with write_atomically(path) as file:
        file.write(buffer.getvalue())


def _groups(report: Report) -> dict[str, list[Cell]]:
    """Bars that stand together, by what is written under them."""
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(report.cells, key=lambda cell: list(_KINDS).index(cell.kind)):
        if cell.kind not in ("TSR", "walk"):
            reward = next(item.reward for item in report.of_kind("SR") if item.skill == cell.skill)
            note = "" if reward is None else f"\nNR {reward:.2f}"
            groups.setdefault(_words(cell.skill) + note, []).append(cell)
    for cell in report.of_kind("TSR"):
        groups[f"{_words(cell.start_skill)}\n→ {_words(cell.skill)}"] = [cell]
    groups |= {_words(cell.skill): [cell] for cell in report.of_kind("walk")}
    return groups


def _words(name: str) -> str:
    """A name with a line break in its middle, if it is long."""
    words = name.split("_")
    return " ".join(words) if len(words) < 3 else f"{' '.join(words[:-2])}\n{' '.join(words[-2:])}"


def _draw_bar(axes: Any, x: float, width: float, cell: Cell, label: str | None) -> None:
    rate = 100 * cell.rate
    axes.bar(x, rate, 0.94 * width, color=_KINDS[cell.kind], label=label)
    spread = [[rate - 100 * cell.low], [100 * cell.high - rate]]
    axes.errorbar(x, rate, yerr=spread, color="0.25", lw=1, capsize=3)
    axes.text(x, 100 * cell.high + 2, f"{rate:.0f}", ha="center", fontsize=9)
