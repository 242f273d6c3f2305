from pathlib import Path

import numpy as np
import pytest

from hoigym.core.errors import UserError
from hoigym.core.files import ArrayFormat


class KindError(UserError):
    pass


KIND = ArrayFormat("kind-1", "file of a kind", KindError)


def test_arrays_and_scalars_survive_the_file(tmp_path: Path) -> None:
    KIND.save(tmp_path / "new" / "a.npz", {"numbers": np.arange(3), "name": "x", "rate": 0.5})
    loaded = KIND.load(tmp_path / "new" / "a.npz", ("numbers", "name", "rate"))
    assert loaded["numbers"].tolist() == [0, 1, 2]
    assert (str(loaded["name"]), float(loaded["rate"])) == ("x", 0.5)


def test_anything_else_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(KindError, match="there is no file of a kind"):
        KIND.load(path, ())
    KIND.save(path, {})
    with pytest.raises(KindError, match="not a file of a kind: no 'numbers' in it"):
        KIND.load(path, ("numbers",))
    with pytest.raises(KindError, match="format 'kind-1'; expected kind-2"):
        ArrayFormat("kind-2", "file", KindError).load(path, ())
    np.savez(tmp_path / "b.npz", numbers=np.zeros(3))
    with pytest.raises(KindError, match="not a file of a kind: format 'none'; expected kind-1"):
        KIND.load(tmp_path / "b.npz", ("numbers",))
    with pytest.raises(KindError, match="cannot be written"):
        KIND.save(path / "b.npz", {})


@pytest.mark.parametrize("array", [np.zeros(3), np.array([object()])])
def test_a_single_array_is_not_such_a_file(tmp_path: Path, array: np.ndarray) -> None:
    with open(tmp_path / "a.npz", "wb") as file:
        np.lib.format.write_array(file, array)
    with pytest.raises(KindError, match="not a file of a kind"):
        KIND.load(tmp_path / "a.npz", ())


def test_a_damaged_stream_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, format=np.array("kind-1"), numbers=np.random.default_rng(0).random(1000))
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"\xff" * 64 + content[middle + 64 :])
    with pytest.raises(KindError, match="not a file of a kind"):
        KIND.load(path, ("numbers",))
