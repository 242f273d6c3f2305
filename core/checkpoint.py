"""Checkpoints on disk: written whole or not at all, checked when read."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from hoigym.core.errors import UserError

FORMAT = "hoigym-checkpoint"
FORMAT_VERSION = 1
TENSORS_FILE = "tensors.safetensors"
STATE_FILE = "state.json"
_WRITING = ".writing_"
_REPLACED = ".replaced_"
_NAME = re.compile(r"[a-z]+_(\d{6,})")


class CheckpointError(UserError):
    """A checkpoint cannot be read or written."""


@dataclass(frozen=True)
class Checkpoint:
    """One stored moment of a run.

    Attributes:
        path: Folder it was read from.
        tensors: Weights, normalisers, optimiser, random states, environment, by dotted name; on the CPU.
        state: Counters and facts, plain JSON values.
    """

    path: Path
    tensors: dict[str, Tensor]
    state: dict[str, Any]

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors named `<prefix>.<name>`, by <name>."""
        start = prefix + "."
        return {name[len(start) :]: value for name, value in self.tensors.items() if name.startswith(start)}


def checkpoint_folder(run_dir: Path) -> Path:
    """Where a run keeps its checkpoints."""
    return run_dir / "checkpoints"


def save_checkpoint(
    run_dir: Path, count: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], unit: str = "epoch"
) -> Path:
    """Write `<run>/checkpoints/<unit>_<count>` and return it; the state says the count under the unit's name.

    Both files are written to a hidden folder, brought to the disk and checked in by one rename, so that
    a power cut or a kill at any moment leaves every earlier checkpoint as it was.

    Raises CheckpointError where the disk refuses.
    """
    folder = checkpoint_folder(run_dir)
    final = folder / f"{unit}_{count:06d}"
    scratch = folder / f"{_WRITING}{final.name}_{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove(scratch)
        scratch.mkdir()
        data = safetensors.torch.save({name: _plain(value) for name, value in tensors.items()})
        facts = {
            **state,
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            unit: count,
            "tensors_sha256": hashlib.sha256(data).hexdigest(),
        }
        _write(scratch / TENSORS_FILE, data)
        _write(scratch / STATE_FILE, json.dumps(facts, indent=1).encode())
        _sync_folder(scratch)
        _put_in_place(scratch, final)
    except OSError as error:
        _remove(scratch)
        raise CheckpointError(f"cannot write checkpoint {final}: {error.strerror or error}") from error
    return final


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and check one checkpoint folder.

    Raises CheckpointError, one line, where it is missing, cut short, damaged, or something else.
    """
    state = read_state(path)
    try:
        data = (path / TENSORS_FILE).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read {TENSORS_FILE}: {error.strerror or error}") from error
    if hashlib.sha256(data).hexdigest() != state.get("tensors_sha256"):
        raise CheckpointError(f"{path}: {TENSORS_FILE} is damaged (its checksum differs)")
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: {TENSORS_FILE} is not a safetensors file ({error})") from error
    return Checkpoint(path, tensors, state)


def read_state(path: Path) -> dict[str, Any]:
    """The facts of a checkpoint folder, without its tensors. Raises CheckpointError."""
    try:
        state = json.loads((path / STATE_FILE).read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is not a checkpoint (no {STATE_FILE})") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read {STATE_FILE}: {error.strerror or error}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: {STATE_FILE} is damaged ({error})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: {STATE_FILE} is not that of a checkpoint of this program")
    if state.get("format_version") != FORMAT_VERSION:
        version = state.get("format_version")
        raise CheckpointError(f"{path}: checkpoint format {version}; this program reads {FORMAT_VERSION}")
    return state


def list_checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoint folders of a run, oldest first; whether they are intact is not looked at."""
    folder = checkpoint_folder(run_dir)
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def recover_checkpoints(run_dir: Path) -> None:
    """Tidy what a kill left behind; only for the one process that writes this run.

    Unfinished folders go, a checkpoint that had stepped aside for one that never came is put back.
    """
    folder = checkpoint_folder(run_dir)
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith(_WRITING):
            _remove(path)
        elif path.name.startswith(_REPLACED):
            final = path.with_name(path.name.removeprefix(_REPLACED))
            if final.exists():
                _remove(path)
            else:
                path.rename(final)


def load_latest(run_dir: Path) -> tuple[Checkpoint, list[str]]:
    """The newest intact checkpoint of a run, and one line about each newer one that is not intact.

    Raises CheckpointError where there is none at all.
    """
    complaints: list[str] = []
    for path in reversed(list_checkpoints(run_dir)):
        try:
            return load_checkpoint(path), complaints
        except CheckpointError as error:
            complaints.append(str(error))
    if complaints:
        raise CheckpointError(f"{run_dir} has no intact checkpoint: {complaints[0]}")
    raise CheckpointError(f"{run_dir} has no checkpoint")


def prune_checkpoints(run_dir: Path, keep: int, spare: Path | None = None) -> None:
    """Delete all but the newest `keep` checkpoints and `spare`."""
    for path in list_checkpoints(run_dir)[:-keep]:
        if path != spare:
            _remove(path)


def _plain(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put_in_place(scratch: Path, final: Path) -> None:
    """Rename onto the final name; a folder that is already there steps aside until the new one stands."""
    aside = final.with_name(f"{_REPLACED}{final.name}")
    if final.exists():
        _remove(aside)
        final.rename(aside)
    scratch.rename(final)
    _sync_folder(final.parent)
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
