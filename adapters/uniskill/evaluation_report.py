"""How the evidence on z is written: JSON for programs, Markdown and a picture for people."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hoigym.adapters.uniskill.evaluation import QUERIES, Row, UniSkillReport
from hoigym.core.files import write_atomically

_KINDS = {"right": "right z", "shuffled": "shuffled z", "mean": "mean z", "zero": "zero z"}
_LOOK_COLOURS = ("#2f6f9f", "#8fb8d6", "#d98a3d", "#f0c89a", "#b0506a", "#5f8f4e")
_Z_COLOURS = ("#2f6f9f", "#b0506a", "#9a9a9a", "#d0d0d0")


def write_report(report: UniSkillReport, folder: Path) -> list[Path]:
    """Writes report.json, report.md and report.png into a folder, which is made; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": json.dumps(asdict(report), indent=1).encode(),
        "report.md": markdown(report).encode(),
        "report.png": _picture(report),
    }
    for name, content in contents.items():
        with write_atomically(folder / name) as file:
            file.write(content)
    return [folder / name for name in contents]


def markdown(report: UniSkillReport) -> str:
    """The tables."""
    chance = _chance(report.skills)
    looks = list(QUERIES.values())
    parts = [
        f"{report.clips} clips, {len(report.skills)} skills; pairs {report.gap:g} s apart; "
        f"{report.gallery_pairs} pairs in the gallery (embodiment A, clips learned from), "
        f"{report.pairs['A']} queries for each look (held out). Mean over seeds, in brackets the lowest and highest.",
        f"Balanced 5-NN accuracy, all {len(report.skills)} skills (chance {chance})",
        _table(["representation", *looks], [[row.name, *_cells(row.accuracy)] for row in report.rows]),
        *(_whole_table(report) if report.whole_skills else ()),
        "The same held-out pairs in a gallery of look A: does z say the same of one motion, whoever performs it? "
        f"(all {len(report.skills)} skills)",
        _table(["representation", *looks[1:]], [[row.name, *_cells(row.accuracy_matched)[1:]] for row in report.rows]),
        "Linear probe, R2 on held-out pairs: same embodiment / unseen embodiment",
        _probe_table(report.rows),
        "Error of the predicted next picture over that of copying the current one",
        _forward_table(report.rows),
    ]
    return "\n\n".join(parts) + "\n"


def _whole_table(report: UniSkillReport) -> tuple[str, str]:
    head = f"The {len(report.whole_skills)} skills of which {report.held_out_clips} whole clips are held out"
    body = [[row.name, *_cells(row.accuracy_whole)] for row in report.rows]
    return f"{head} (chance {_chance(report.whole_skills)})", _table(["representation", *QUERIES.values()], body)


def _chance(skills: Sequence[int]) -> str:
    return f"{1 / len(skills):.2f}".lstrip("0")


def _cells(values: dict[str, list[float]]) -> list[str]:
    return [_number(values[look]) for look in QUERIES]


def _number(values: Sequence[float], digits: int = 2) -> str:
    """Mean, and the range where there are several."""
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _probe_table(rows: Sequence[Row]) -> str:
    targets = list(rows[0].probe)
    body = [
        [row.name, *(f"{_number(row.probe[name]['A'])} / {_number(row.probe[name]['C'])}" for name in targets)]
        for row in rows
    ]
    return _table(["representation", *(name.replace("_", " ") for name in targets)], body)


def _forward_table(rows: Sequence[Row]) -> str:
    body = [
        [f"{row.name}: {QUERIES[look]}", *(_number(row.forward[look][kind]) for kind in _KINDS)]
        for row in rows
        if row.forward
        for look in QUERIES
    ]
    return _table(["model and look", *_KINDS.values()], body)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _picture(report: UniSkillReport) -> bytes:
    """Accuracies, and errors of the forward model, as bars with the range over the seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 5.0), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.2, 1.0))
    names = [row.name.replace(", ", ",\n").replace(" (", "\n(") for row in report.rows]
    # Of a single clip the end looks like the begin, whatever happens: whole clips are the better question.
    whole = bool(report.whole_skills)
    skills = report.whole_skills if whole else report.skills
    series = {
        f"{look}: {title}": [(row.accuracy_whole if whole else row.accuracy)[look] for row in report.rows]
        for look, title in QUERIES.items()
    }
    _bars(left, names, series)
    left.axhline(1 / len(skills), color="black", lw=1, ls=":", label="chance")
    left.set_ylabel("balanced 5-NN accuracy")
    left.set_ylim(0, 1)
    left.set_title(
        f"Skill of the nearest pairs, {len(skills)} skills{' with whole clips held out' * whole}", fontsize=10
    )
    left.legend(fontsize=7, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    trained = next(row for row in report.rows if row.forward)
    errors = {label: [trained.forward[look][kind] for look in QUERIES] for kind, label in _KINDS.items()}
    _bars(right, list(QUERIES), errors, _Z_COLOURS)
    right.axhline(1.0, color="black", lw=1, ls=":", label="copying")
    right.set_ylabel("error / error of copying")
    right.set_title(f"Next picture, {trained.name}", fontsize=10)
    right.legend(fontsize=7, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _bars(
    axes, groups: Sequence[str], series: dict[str, list[list[float]]], colours: Sequence[str] = _LOOK_COLOURS
) -> None:
    width = 0.8 / len(series)
    for index, (label, values) in enumerate(series.items()):
        places = [group + (index - (len(series) - 1) / 2) * width for group in range(len(groups))]
        means = [sum(some) / len(some) for some in values]
        spread = [[mean - min(some) for mean, some in zip(means, values, strict=True)]]
        spread.append([max(some) - mean for mean, some in zip(means, values, strict=True)])
        axes.bar(places, means, width, yerr=spread, color=colours[index], label=label, error_kw={"lw": 1})
    axes.set_xticks(range(len(groups)), groups, fontsize=7)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
