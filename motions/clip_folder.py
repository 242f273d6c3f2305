"""Folders of clips: a table of what is in them, their conversion to .npz, and the demo clips."""

from pathlib import Path

import numpy as np

from hoigym.core.errors import UserError
from hoigym.core.files import make_folder
from hoigym.motions.clip import Clip
from hoigym.motions.demo import synthesise
from hoigym.motions.formats import clip_files, load_clip, load_clips, save_clip

_HEADER = [
    "#",
    "clip",
    "skill",
    "skeleton",
    "frames",
    "s",
    "fps",
    "objects",
    "contact",
    "missing",
    "object z [m]",
]


def info(path: str | Path) -> None:
    """Prints a table of the clips at path in the order of `load_clips`; raises ClipError like it."""
    clips = load_clips(path)
    print(_table([_HEADER, *(_row(index, clip) for index, clip in enumerate(clips))]))
    frames = sum(clip.num_frames for clip in clips)
    seconds = sum(clip.num_frames / clip.fps for clip in clips)
    print(f"{len(clips)} clips, {frames} frames, {seconds:.1f} s")


def convert(path: str | Path, out: str | Path, overwrite: bool = False) -> list[Path]:
    """Writes the clip at path, or every clip below it, as .npz into the directory out; returns the new files.

    Subdirectories are kept. Nothing is written if any clip is bad or, without overwrite, any file is there
    already (ClipError, UserError).
    """
    source, out = Path(path), Path(out)
    files = clip_files(source)
    base = source if source.is_dir() else source.parent
    jobs = [(load_clip(file), out / file.relative_to(base).with_suffix(".npz")) for file in files]
    return _save_all(jobs, overwrite)


def synth(out: str | Path, overwrite: bool = False) -> list[Path]:
    """Generates the demo clips into the directory out; returns the new files. Refuses like `convert`."""
    return _save_all([(clip, Path(out) / f"{clip.name}.npz") for clip in synthesise()], overwrite)


def _save_all(jobs: list[tuple[Clip, Path]], overwrite: bool) -> list[Path]:
    present = [target for _, target in jobs if target.exists()]
    if present and not overwrite:
        raise UserError(f"{present[0]}: exists already; choose another directory or pass --overwrite")
    for clip, target in jobs:
        make_folder(target.parent)
        save_clip(clip, target)
        print(f"{target}  {clip.num_frames} frames, {target.stat().st_size / 1024:.0f} KiB")
    return [target for _, target in jobs]


def _row(index: int, clip: Clip) -> list[str]:
    height = clip.object_pos[~clip.missing, :, 2]
    return [
        str(index),
        clip.name,
        str(clip.skill),
        clip.skeleton,
        str(clip.num_frames),
        f"{clip.num_frames / clip.fps:.2f}",
        f"{clip.fps:g}",
        str(clip.num_objects),
        f"{clip.contact.max(axis=1, initial=0).mean():.0%}",
        str(int(np.count_nonzero(clip.missing))),
        f"{height.min():.2f} .. {height.max():.2f}" if height.size else "-",
    ]


def _table(rows: list[list[str]]) -> str:
    """Columns in line: the second, text, to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[1] = row[1].ljust(widths[1])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
