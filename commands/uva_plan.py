"""`run.py uva plan`: plans of clips, to train a planner on and to give to a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoigym.core.config_parser import parse_action
from hoigym.core.errors import UserError


@dataclass(frozen=True)
class CollectConfig:
    """Put films of clips and the plans that follow each picture into a replay buffer, to train a UVA model on."""

    store: Path | None = None
    """Films of the clips with a camera that follows: `uniskill render --looks "[A-follow, A-random-follow]"`."""
    output: Path | None = None
    """New replay buffer, a zarr folder."""
    motion_file: Path | None = None
    """The clips that were filmed."""


@dataclass(frozen=True)
class TableConfig:
    """Write the plan of every frame of clips as conditions for a policy."""

    motion_file: Path | None = None
    """Clip, or folder of clips."""
    output: Path | None = None
    """Table of conditions, .npz."""
    planner: str = ""
    """UVA model that predicts the plans from films; the true ones where left out."""
    store: str = ""
    """Films of the clips that the planner looks at, one of each; needed with planner."""
    sentences: str = ""
    """File of `uva text` with the names of the clips' skills, for a planner that reads text."""


ACTIONS = {"collect": CollectConfig, "table": TableConfig}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of collect, table."""
    action, config = parse(argv)
    {"collect": collect, "table": table}[action](config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    return parse_action("uva plan", ACTIONS, argv)


def collect(config: CollectConfig) -> None:
    """Writes the replay buffer; one episode for each film, with the name of its skill as the instruction."""
    import numpy as np

    from hoigym.adapters.uva.replay_buffer import ReplayWriter
    from hoigym.conditioners.plan import RATE, plan_steps
    from hoigym.motions.skill_set import load_skill_set

    assert config.store
    assert config.output
    assert config.motion_file
    if config.output.exists():
        raise UserError(f"{config.output} exists already; choose another folder")
    library, store, films = _filmed(config.motion_file, config.store, RATE)
    steps = plan_steps(library).numpy()
    writer = ReplayWriter(config.output)
    for film in films:
        row = film.first_row + np.arange(1, film.num_frames + 1) * store.facts.stride
        following = row.clip(max=film.first_row + film.num_rows - 1)
        name = load_skill_set(library.skeleton.name).name_of(int(library.frame_skill[film.first_row]))
        writer.append({"img": np.asarray(store.rgb(film)), "action": steps[following]}, text=name)
    print(f"{config.output}: {writer.episodes} films, {writer.steps} pictures with plans of {steps.shape[1]} numbers")


def table(config: TableConfig) -> None:
    """Writes the table, and, of predicted plans, how far they are from the true ones."""
    from hoigym.conditioners.plan import plan_table, plans
    from hoigym.conditioners.table import save_table
    from hoigym.motions.formats import load_clips
    from hoigym.motions.library import MotionLibrary

    assert config.motion_file
    assert config.output
    if bool(config.planner) != bool(config.store):
        raise UserError("a planner looks at films: give --planner and --store, or neither")
    if config.sentences and not config.planner:
        raise UserError("--sentences is for a --planner that reads text")
    library = MotionLibrary(load_clips(config.motion_file))
    plan, source = plans(library), "clips"
    if config.planner:
        predicted = _predict(config)
        _compare(predicted, plan)
        plan, source = predicted, f"planner {Path(config.planner).name}"
    save_table(plan_table(library, plan, source), config.output)
    print(f"{config.output}: plans of {library.num_frames} frames, from {source}")


def _predict(config: TableConfig):
    """Plans (F, 16, D) of every frame: of the nearest one of which there is a picture."""
    import torch

    from hoigym.adapters.uva.conditioner import PICTURES, load_planner
    from hoigym.conditioners.plan import RATE, STEPS, plan_width

    assert config.motion_file
    library, store, films = _filmed(config.motion_file, Path(config.store), RATE)
    planner = load_planner(Path(config.planner), library, config.sentences)
    plan = torch.zeros(library.num_frames, STEPS, plan_width(library))
    apart = STEPS // PICTURES
    for film in films:
        pictures = torch.tensor(store.rgb(film))
        shown = torch.arange(film.num_frames)[:, None] - apart * torch.arange(PICTURES - 1, -1, -1)
        skill = library.frame_skill[film.first_row]
        parts = shown.clamp_min(0).split(64)
        predicted = torch.cat([planner.plan(pictures[part], skill.expand(len(part))) for part in parts])
        nearest = (torch.arange(film.num_rows) // store.facts.stride).clamp_max(film.num_frames - 1)
        plan[film.first_row : film.first_row + film.num_rows] = predicted[nearest]
    return plan


def _compare(predicted, true) -> None:
    """Prints the error of predicted plans beside that of the present going on unchanged and of the mean plan."""
    scale = true.flatten(0, 1).std(0).clamp_min(1e-3)

    def error(plan) -> float:
        return float(((plan - true) / scale).square().mean())

    print(f"error of the plans, in variances: predicted {error(predicted):.3f}, ", end="")
    print(f"next step goes on {error(true[:, :1]):.3f}, mean plan {error(true.mean((0, 1))):.3f}")


def _filmed(motion_file: Path, store_path: Path, rate: float):
    """Library, store and its films, at the rate of plans; raises UserError where they do not belong together."""
    from hoigym.adapters.uniskill.store import RenderStore
    from hoigym.motions.formats import load_clips
    from hoigym.motions.library import MotionLibrary

    library = MotionLibrary(load_clips(motion_file))
    store = RenderStore.open(store_path)
    if store.facts.library_hash != library.content_hash:
        raise UserError(f"{store_path}: holds films of other clips than {motion_file}")
    wrong = [film for film in store.renderings if round(film.fps) != round(rate)]
    if wrong:
        raise UserError(f"{store_path}: {wrong[0].fps:g} pictures a second; plans have {rate:g}")
    return library, store, store.renderings
