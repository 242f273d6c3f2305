"""Files of arrays in whatever state."""

import io
from pathlib import Path

import numpy as np
import pytest

from hoigym.core.files import read_npz


def archive(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, a=array)
    return file.getvalue()


def single_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def with_byte(data: bytes, signature: bytes, place: int, value: int) -> bytes:
    """The archive with another byte in its first record of a kind."""
    at = data.index(signature) + place
    return data[:at] + bytes([value]) + data[at + 1 :]


WHOLE = archive(np.arange(3))
ENTRY = b"PK\x01\x02"
DAMAGED = {
    "empty": b"",
    "text": b"no arrays",
    "cut": WHOLE[:-30],
    "one array": single_array(),
    "objects": archive(np.array([None])),
    "newer version": with_byte(WHOLE, ENTRY, 6, 169),
    "unknown compression": with_byte(WHOLE, ENTRY, 10, 99),
    "encrypted": with_byte(WHOLE, ENTRY, 8, 1),
    "header": WHOLE.replace(b"'descr'", b"'de(cr "),
}


def test_arrays_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(WHOLE)
    (name, array), *more = read_npz(tmp_path / "a.npz").items()
    assert (name, array.tolist(), more) == ("a", [0, 1, 2], [])


@pytest.mark.parametrize("what", DAMAGED)
def test_whatever_is_wrong_with_a_file_is_a_value_error(tmp_path: Path, what: str) -> None:
    (tmp_path / "a.npz").write_bytes(DAMAGED[what])
    with pytest.raises(ValueError, match=".") as error:
        read_npz(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_what_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(OSError, match=r"Is a directory|No such file"):
            read_npz(path)
