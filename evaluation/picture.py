"""One picture of an evaluation."""

import io
from pathlib import Path
from typing import Any

from evaluation.report import Cell, Report
from motions.atomic import write_atomically

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
