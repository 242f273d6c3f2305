"""Files: written whole or not at all, and named arrays in one .npz file."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hoigym.core.errors import UserError, first_line


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, where it is not there; raises UserError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be created ({error.strerror or error})") from None


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file beside path for writing; it takes path's name when the block ends without an
    error.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


# --- Reading .npz files, whatever they hold -------------------------------------------------------------------------


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name; nothing in the file is unpickled.

    Raises OSError where it cannot be read, and ValueError where it is damaged or no .npz of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # zipfile and NumPy report damage with many exception types
        raise ValueError(first_line(error)) from error


# --- Named arrays in one file: what tables of conditions and recorded rollouts are stored as ------------------------


@dataclass(frozen=True)
class ArrayFormat:
    """A kind of .npz file.

    name: with its version, as it stands in the file. what: such a file is, for people. error: raised for others.
    """

    name: str
    what: str
    error: type[UserError]

    def save(self, path: Path, arrays: Mapping[str, Any]) -> None:
        """Writes arrays and scalars; the folder is made. Raises `error` where that is not possible."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(path) as file:
                np.savez(file, allow_pickle=False, format=self.name, **arrays)
        except OSError as error:
            raise self.error(f"{path}: cannot be written ({error.strerror or error})") from None

    def load(self, path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The arrays, among them those named, of a file that `save` wrote; raises `error` for anything else."""
        try:
            arrays = read_npz(path)
        except FileNotFoundError:
            raise self.error(f"{path}: there is no {self.what}") from None
        except OSError as error:
            raise self.error(f"{path}: cannot be read ({error.strerror or error})") from None
        except ValueError:
            raise self.error(f"{path}: truncated, or not a {self.what}") from None
        named = str(arrays.get("format", "none"))
        if named != self.name:
            raise self.error(f"{path}: not a {self.what}: format '{named}'; expected {self.name}")
        for name in names:
            if name not in arrays:
                raise self.error(f"{path}: not a {self.what}: no '{name}' in it")
        return arrays
