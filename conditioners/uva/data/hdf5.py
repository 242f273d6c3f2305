"""Demonstrations of LIBERO and robomimic as episodes of a replay buffer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from conditioners.uva.error import UVAError
from motions.rotations import exp_to_quat, quat_conj, quat_rotate

try:
    import h5py
except ModuleNotFoundError as error:
    raise UVAError(f"HDF5 demonstrations need the package '{error.name}': pip install hoigym[uva]") from None

_SUFFIX = "_demo"
_POSE = 7


def instruction(path: Path) -> str:
    """The instruction that a LIBERO file is named after: "pick_up_the_mug_demo.hdf5" -> "pick up the mug"."""
    return path.stem.removesuffix(_SUFFIX).replace("_", " ")


def read_hdf5(
    path: Path, camera: str = "agentview_rgb", flip: bool = True, rotation_6d: bool = True
) -> Iterator[dict[str, NDArray[Any]]]:
    """Episodes of a file: img (T, H, W, 3) uint8, action (T, A) float32, state (T, S) float32 where there is one.

    The layout is robomimic's: data/demo_<i>/{actions, states, obs/<camera>}; episodes come in the order of their
    numbers. flip: turn pictures upside down, as LIBERO's are stored. rotation_6d: actions of 7 numbers (position,
    rotation vector, gripper) become 10, the rotation as the first two rows of its matrix (Zhou et al. 2019).
    Raises UVAError where the layout is another one.
    """
    try:
        with h5py.File(path, "r") as file:
            demos = file["data"]
            assert isinstance(demos, h5py.Group)
            names = [str(key) for key in demos]
            for name in sorted((name for name in names if re.fullmatch(r"demo_\d+", name)), key=_number):
                yield _episode(demos[name], camera, flip, rotation_6d)
    except OSError as error:
        raise UVAError(f"{path}: cannot be read as HDF5 ({error})") from None
    except (KeyError, AssertionError) as error:
        raise UVAError(f"{path}: is not laid out like robomimic's files ({error})") from None


def _episode(demo: Any, camera: str, flip: bool, rotation_6d: bool) -> dict[str, NDArray[Any]]:
    pictures = np.asarray(demo["obs"][camera])
    action = np.asarray(demo["actions"], dtype=np.float32)
    episode: dict[str, NDArray[Any]] = {
        "img": pictures[:, ::-1].copy() if flip else pictures,
        "action": _six_numbers(action) if rotation_6d and action.shape[1] == _POSE else action,
    }
    if "states" in demo:
        episode["state"] = np.asarray(demo["states"], dtype=np.float32)
    return episode


def _six_numbers(action: NDArray[np.float32]) -> NDArray[np.float32]:
    turn = quat_conj(exp_to_quat(torch.from_numpy(action[:, 3:6])))
    # A row of a matrix is a unit vector turned by its inverse.
    rows = [quat_rotate(turn, torch.eye(3)[row].expand(len(turn), 3)).numpy() for row in range(2)]
    return np.concatenate([action[:, :3], *rows, action[:, 6:]], axis=1)


def _number(name: str) -> int:
    return int(name.split("_")[1])
