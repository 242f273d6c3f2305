"""A picture of a trajectory graph: how skills hang together, and where in each clip the links are."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from hoigym.motions.graph import MAX_BUFFER_FRAMES, GraphError, TrajectoryGraph, buffer_frames

_SUFFIXES = (".png", ".svg", ".pdf")
_DECADES = Normalize(vmin=-MAX_BUFFER_FRAMES, vmax=0)
_COLOURS = "viridis"
_EMPTY = "0.88"
# Clips beyond these are left out of the picture, which says so.
_MOST_CLIPS = 40
# How far an arrow bows out, and where along it its label stands, as shares of its length.
_BOW, _LABEL = 0.18, 0.33


def draw_graph(graph: TrajectoryGraph, path: str | Path) -> None:
    """Writes the picture as .png, .svg or .pdf; raises GraphError where it cannot be written."""
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise GraphError(f"{path}: cannot draw '{path.suffix}' pictures; expected {', '.join(_SUFFIXES)}")
    decades = link_decades(graph)
    shown = min(len(graph.clip_names), _MOST_CLIPS)
    rows = decades.shape[1]
    height = max(6.0, 1.2 + shown * (0.34 + 0.1 * rows))
    figure = Figure(figsize=(14, height), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = np.ravel(np.asarray(figure.subfigures(1, 2, width_ratios=(1, 1.25))))
    top, bottom = left.subplots(2, 1, height_ratios=(3, 1))
    _draw_skills(top, graph, decades)
    _draw_buffers(bottom, graph)
    for clip, axes in enumerate(np.atleast_1d(right.subplots(shown, 1))):
        _draw_clip(axes, graph, decades, clip)
    more = f" (the first {shown} of {len(graph.clip_names)})" if shown < len(graph.clip_names) else ""
    right.suptitle(f"Similarity along each clip{more}")
    right.supylabel("to skill", fontsize=9)
    right.supxlabel("frame (dot: the best link)", fontsize=9)
    bar = ScalarMappable(_DECADES, _COLOURS)
    right.colorbar(bar, ax=right.axes, label="log10 similarity (grey: no link)", shrink=0.6)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise GraphError(f"{path}: cannot be written ({error.strerror or error})") from None


def link_decades(graph: TrajectoryGraph) -> np.ndarray:
    """log10 similarity of every frame's best link to each skill (ascending), NaN without one: (F, skills)."""
    skills = graph.clip_skill.unique().cpu().numpy()
    similarity = graph.similarity.cpu().numpy()
    target_skill = graph.clip_skill.cpu().numpy()[graph.target_clip.cpu().numpy()]
    decades = np.full((len(similarity), len(skills)), np.nan)
    for column, skill in enumerate(skills):
        best = np.where(target_skill == skill, similarity, 0.0).max(axis=1)
        linked = best > 0
        decades[linked, column] = np.log10(best[linked])
    return decades


def _draw_skills(axes: Axes, graph: TrajectoryGraph, decades: np.ndarray) -> None:
    """Skills on a circle; arrows have the colour of the median similarity and widen with the share linked."""
    skills = graph.clip_skill.unique().tolist()
    of_frame = graph.clip_skill[graph.frame_clip].cpu().numpy()
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(skills)) / len(skills)
    place = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    colours = ScalarMappable(_DECADES, _COLOURS)
    for a, skill in enumerate(skills):
        for b in range(len(skills)):
            values = decades[of_frame == skill, b]
            linked = np.isfinite(values)
            if a == b or not linked.any():
                continue
            median = float(np.median(values[linked]))
            arrow = FancyArrowPatch(
                tuple(place[a]),
                tuple(place[b]),
                connectionstyle=f"arc3,rad={_BOW}",
                arrowstyle="-|>",
                mutation_scale=16,
                shrinkA=30,
                shrinkB=30,
                linewidth=0.5 + 3.0 * linked.mean(),
                color=colours.to_rgba(np.array([median]))[0],
            )
            axes.add_patch(arrow)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            x, y = _near_start(place[a], place[b])
            axes.text(x, y, f"{median:.1f}", fontsize=8, ha="center", va="center", bbox=box)
    for skill, (x, y) in zip(skills, place.tolist(), strict=True):
        axes.scatter(x, y, s=2600, color="white", edgecolors="black", zorder=3)
        label = f"skill {skill}\n{(of_frame == skill).sum()} frames"
        axes.text(x, y, label, ha="center", va="center", fontsize=8, zorder=4)
    axes.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal", title=_title(graph))
    axes.axis("off")


def _near_start(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Where an arrow's label stands: on its bow, nearer to its tail, where arrows do not cross."""
    along = end - start
    control = (start + end) / 2 + _BOW * np.array([along[1], -along[0]])
    return (1 - _LABEL) ** 2 * start + 2 * _LABEL * (1 - _LABEL) * control + _LABEL**2 * end


def _title(graph: TrajectoryGraph) -> str:
    frames, clips = len(graph.similarity), len(graph.clip_names)
    text = f"{graph.num_links} links between {frames} frames of {clips} clips"
    return f"{text}\narrows: median log10 similarity, width = share of frames with a link"


def _draw_buffers(axes: Axes, graph: TrajectoryGraph) -> None:
    linked = graph.similarity > 0
    buffers = buffer_frames(graph.similarity[linked]).cpu().numpy()
    counts = np.bincount(buffers, minlength=MAX_BUFFER_FRAMES + 1)
    colours = ScalarMappable(_DECADES, _COLOURS).to_rgba(-np.arange(MAX_BUFFER_FRAMES + 1))
    axes.bar(np.arange(len(counts)), counts, color=colours)
    axes.set(xlabel="buffer frames of a link", ylabel="links", xticks=range(MAX_BUFFER_FRAMES + 1))
    axes.spines[["top", "right"]].set_visible(False)


def _draw_clip(axes: Axes, graph: TrajectoryGraph, decades: np.ndarray, clip: int) -> None:
    """One strip a skill: similarity of each frame's link; a dot at the best one, with its target frame."""
    start, length = int(graph.clip_start[clip]), int(graph.clip_length[clip])
    skills = graph.clip_skill.unique().tolist()
    own = int(graph.clip_skill[clip])
    shown = [column for column, skill in enumerate(skills) if skill != own or graph.settings.within_skill]
    values = decades[start : start + length, shown].T
    axes.set_facecolor(_EMPTY)
    axes.imshow(values, aspect="auto", interpolation="nearest", cmap=_COLOURS, norm=_DECADES)
    for row, of_row in enumerate(values):
        if np.isfinite(of_row).any():
            best = int(np.nanargmax(of_row))
            axes.plot(best, row, marker="o", markersize=3.5, color="white", markeredgecolor="black")
    axes.set_yticks(range(len(shown)), [str(skills[column]) for column in shown], fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
    title = f"{clip}: {graph.clip_names[clip]} (skill {own})"
    axes.set_title(title, fontsize=8, loc="left", pad=2, parse_math=False)
