"""Named arrays in one file: what tables of conditions and recorded rollouts are stored as."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from motions.atomic import write_atomically
from motions.errors import UserError


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
        """The named arrays of a file that `save` wrote; raises `error` for anything else."""
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["format"]) != self.name:
                    raise self.error(f"{path}: format '{file['format']}'; expected {self.name}")
                return {name: file[name] for name in names}
        except FileNotFoundError:
            raise self.error(f"{path}: there is no {self.what}") from None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self.error(f"{path}: not a {self.what} ({error})") from None
