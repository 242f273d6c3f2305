"""Reading .npz files, whatever they hold."""

from pathlib import Path

import numpy as np

from motions.errors import first_line


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
