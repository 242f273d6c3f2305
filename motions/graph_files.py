"""Files of trajectory graphs: built from clips, described, drawn."""

import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from hoigym.core.errors import UserError
from hoigym.core.files import make_folder
from hoigym.motions.formats import load_clips
from hoigym.motions.graph import GraphError, TrajectoryGraph, buffer_frames
from hoigym.motions.graph_build import build_graph, published_settings
from hoigym.motions.graph_draw import draw_graph, link_decades
from hoigym.motions.library import MotionLibrary


def build(
    motion_file: str | Path,
    out: str | Path,
    within_skill: bool = False,
    body_positions: Literal["kinematics", "stored"] = "kinematics",
    device: str = "cpu",
    overwrite: bool = False,
) -> TrajectoryGraph:
    """Builds the graph of the clips at motion_file and writes it to the .npz out.

    Raises UserError for bad clips, for clips that cannot be linked, an unknown device, or, without
    overwrite, an out that is there already.
    """
    out = Path(out)
    if out.suffix != ".npz":
        raise GraphError(f"{out}: expected the name of an .npz file")
    if out.exists() and not overwrite:
        raise UserError(f"{out}: exists already; choose another name or pass --overwrite")
    clips = load_clips(motion_file)
    settings = published_settings(clips[0].skeleton, within_skill, body_positions)
    start = time.perf_counter()
    graph = build_graph(clips, settings, _device(device), _Progress())
    seconds = time.perf_counter() - start
    make_folder(out.parent)
    graph.save(out)
    print(f"{out}  {graph.num_links} links, {out.stat().st_size / 1024:.0f} KiB, {seconds:.1f} s")
    return graph


def info(graph_file: str | Path, motion_file: str | Path | None = None) -> None:
    """Prints what is in a graph; with motion_file raises GraphError unless it was built from those clips."""
    graph = TrajectoryGraph.load(graph_file)
    if motion_file is not None:
        graph.require(MotionLibrary(load_clips(motion_file)))
        print(f"built from the clips at {motion_file}")
    settings = graph.settings
    links = "other skills and other clips of its own" if settings.within_skill else "other skills"
    print(f"{len(graph.clip_names)} clips, {len(graph.similarity)} frames, {graph.num_links} links to {links}")
    print(f"clips sha256 {graph.content_hash}")
    print(f"body positions: {settings.body_positions}")
    print(f"weights: {_weights(settings.weights)}")
    print(f"weights of skills {_listed(settings.objectless_skills)}: {_weights(settings.objectless_weights)}")
    print()
    print(_pairs(graph))


def draw(graph_file: str | Path, out: str | Path, overwrite: bool = False) -> None:
    """Draws a graph as .png, .svg or .pdf; refuses to replace a file without overwrite (UserError)."""
    graph, out = TrajectoryGraph.load(graph_file), Path(out)
    if out.exists() and not overwrite:
        raise UserError(f"{out}: exists already; choose another name or pass --overwrite")
    make_folder(out.parent)
    draw_graph(graph, out)
    print(out)


class _Progress:
    """A line that says how far the search is; only on a terminal."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        passed = time.perf_counter() - self._start
        left = passed * (total - done) / done
        end = "\n" if done == total else ""
        print(f"\r{done}/{total} searches, {left:.0f} s left  ", end=end, file=sys.stderr, flush=True)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"device '{name}' is not here; expected cpu or a CUDA device") from None
    return device


def _weights(weights: object) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in vars(weights).items() if value)


def _listed(values: tuple[int, ...]) -> str:
    return " and ".join(map(str, values)) or "none"


def _pairs(graph: TrajectoryGraph) -> str:
    """A row for each pair of skills."""
    decades = link_decades(graph)
    of_frame = graph.clip_skill[graph.frame_clip].cpu().numpy()
    skills = graph.clip_skill.unique().tolist()
    rows = ["from  to  frames  linked  median similarity  buffer frames (mean)"]
    for skill in skills:
        for column, other in enumerate(skills):
            if skill == other and not graph.settings.within_skill:
                continue
            values = decades[of_frame == skill, column]
            found = values[np.isfinite(values)]
            median = f"{10 ** np.median(found):.2e}" if len(found) else "-"
            wait = f"{buffer_frames(torch.from_numpy(10**found)).double().mean():.1f}" if len(found) else "-"
            share = f"{len(found) / len(values):.1%}"
            rows.append(f"{skill:4d} {other:3d} {len(values):7d} {share:>7} {median:>18} {wait:>21}")
    return "\n".join(rows)
