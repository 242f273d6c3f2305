"""Named arrays in one file: what tables of conditions and recorded rollouts are stored as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from motions.atomic import write_atomically
from motions.errors import UserError
from motions.npz import read_npz


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
