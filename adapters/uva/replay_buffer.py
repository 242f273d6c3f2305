"""Replay buffer: episodes in one zarr folder, and demonstrations of LIBERO and robomimic brought into it."""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hoigym.adapters.uva.config import UVAError
from hoigym.motions.rotations import exp_to_quat, quat_conj, quat_rotate

try:
    import numcodecs
    import zarr
    from zarr.storage import ZipStore
except ModuleNotFoundError as error:
    raise UVAError(f"replay buffers need the package '{error.name}': pip install hoigym[uva]") from None

DATA, META, ENDS, SEEDS, TEXTS = "data", "meta", "episode_ends", "episode_seeds", "episode_texts"
_CHUNK_BYTES = 2_000_000


@dataclass(frozen=True)
class ReplayBuffer:
    """Episodes one after another, in memory.

    arrays: name -> (T, ...). episode_ends: (E,) int64, steps up to the end of each episode. seeds: (E,) int64, -1
    where none is known. texts: E instructions, empty where none is known.
    """

    arrays: Mapping[str, NDArray[Any]]
    episode_ends: NDArray[np.int64]
    seeds: NDArray[np.int64]
    texts: tuple[str, ...] = ()

    def episode(self, index: int) -> dict[str, NDArray[Any]]:
        """The arrays of one episode."""
        start = int(self.episode_ends[index - 1]) if index else 0
        return {name: array[start : self.episode_ends[index]] for name, array in self.arrays.items()}

    def first(self, episodes: int) -> "ReplayBuffer":
        """The first episodes alone."""
        ends = self.episode_ends[:episodes]
        steps = int(ends[-1]) if len(ends) else 0
        cut = {name: array[:steps] for name, array in self.arrays.items()}
        return ReplayBuffer(cut, ends, self.seeds[:episodes], self.texts[:episodes])


def read_replay(path: Path, names: Iterable[str] | None = None) -> ReplayBuffer:
    """A replay buffer, or only some of its arrays; zarr format 2 or 3, a folder or a .zip.

    The layout is that of Diffusion Policy (real-stanford/diffusion_policy): data/<name> (T, ...),
    meta/episode_ends. Raises UVAError where it is another one or a step is missing.
    """
    with _faults_of(path):
        stored = _on_disk(path)
        steps = int(stored.episode_ends[-1]) if len(stored.episode_ends) else 0
        wanted = sorted(stored.arrays) if names is None else names
        return replace(stored, arrays={name: np.asarray(stored.arrays[name][:steps]) for name in wanted})


def _on_disk(path: Path) -> ReplayBuffer:
    """A replay buffer whose arrays have not been read; their lengths fit. Call inside `_faults_of`."""
    store: Any = ZipStore(path, mode="r") if path.is_file() else path
    root = zarr.open_group(store, mode="r")
    arrays, meta = _subgroup(root, DATA), _subgroup(root, META)
    ends = np.asarray(meta[ENDS][:], dtype=np.int64)
    seeds = np.asarray(meta[SEEDS][:], dtype=np.int64) if SEEDS in meta else np.full(len(ends), -1)
    if (np.diff(ends, prepend=0) <= 0).any():
        raise UVAError(f"{path}: episode_ends does not grow")
    short = [name for name in sorted(arrays) if len(ends) and arrays[name].shape[0] < ends[-1]]
    if short or len(seeds) < len(ends):
        raise UVAError(f"{path}: {short[0] if short else SEEDS} is shorter than its episodes")
    return ReplayBuffer(arrays, ends, seeds[: len(ends)], _texts(root[META], len(ends)))


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """What zarr complains of becomes a UVAError, one line."""
    try:
        yield
    except (FileNotFoundError, zipfile.BadZipFile) as error:
        raise UVAError(f"{path} is no replay buffer: {error}") from None
    except KeyError as error:
        raise UVAError(f"{path}: the replay buffer has no array {error}") from None
    except (ValueError, TypeError) as error:
        raise UVAError(f"{path}: cannot read the replay buffer: {error}") from None


class ReplayWriter:
    """Appends episodes to a replay buffer, a folder of zarr format 2, which the published code reads too.

    An episode counts once its end is written, which comes last: what a killed process leaves behind is cut off when
    the buffer is opened again. Raises UVAError where the folder is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.is_file():
            raise UVAError(f"{path} is a file; a replay buffer is written to a folder")
        if path.exists() and any(path.iterdir()):
            with _faults_of(path):
                _on_disk(path)
        try:
            root = zarr.open_group(path, mode="a", zarr_format=2)
        except OSError as error:
            raise UVAError(f"{path}: cannot be written ({error.strerror or error})") from None
        self._data, self._meta = root.require_group(DATA), root.require_group(META)
        for name in (SEEDS, ENDS):
            if name not in self._meta:
                self._create(self._meta, name, np.empty(0, np.int64))
        self._ends: Any = self._meta[ENDS]
        self._seeds: Any = self._meta[SEEDS]
        self._seeds.resize(self._ends.shape)
        for array in _members(self._data).values():
            array.resize((self.steps, *array.shape[1:]))

    @property
    def episodes(self) -> int:
        """Episodes there are."""
        return self._ends.shape[0]

    @property
    def steps(self) -> int:
        """Steps of all episodes."""
        return int(self._ends[-1]) if self.episodes else 0

    @property
    def seeds(self) -> list[int]:
        """Seeds of the episodes."""
        return [int(seed) for seed in self._seeds[:]]

    def append(self, episode: Mapping[str, NDArray[Any]], seed: int = -1, text: str = "") -> None:
        """Add an episode: name -> (T, ...), all equally long, the same names and shapes each time. text: what was to
        be done in it.
        """
        lengths = {len(array) for array in episode.values()}
        if len(lengths) != 1 or 0 in lengths:
            raise UVAError(f"an episode needs arrays of one length, not {sorted(lengths)}")
        known = _members(self._data)
        if self.episodes and set(known) != set(episode):
            raise UVAError(f"{self._path} holds {', '.join(sorted(known))}, not {', '.join(sorted(episode))}")
        end = self.steps + lengths.pop()
        for name, array in episode.items():
            stored = known.get(name) or self._create(self._data, name, array[:0])
            if stored.shape[1:] != array.shape[1:]:
                raise UVAError(f"{self._path}: {name} has {stored.shape[1:]} numbers a step, not {array.shape[1:]}")
            stored.append(np.asarray(array, dtype=stored.dtype))
        if text or TEXTS in self._meta.attrs:
            self._meta.attrs[TEXTS] = [*_texts(self._meta, self.episodes), text]
        self._seeds.append(np.array([seed]))
        self._ends.append(np.array([end]))

    def _create(self, group: zarr.Group, name: str, empty: NDArray[Any]) -> Any:
        step_bytes = max(1, empty.dtype.itemsize * int(np.prod(empty.shape[1:])))
        chunk = max(1, min(4096, _CHUNK_BYTES // step_bytes))
        compressor = numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE)
        return group.create_array(
            name, shape=empty.shape, chunks=(chunk, *empty.shape[1:]), dtype=empty.dtype, compressors=compressor
        )


def _members(group: zarr.Group) -> dict[str, Any]:
    return {name: member for name, member in group.members() if isinstance(member, zarr.Array)}


def _texts(meta: Any, episodes: int) -> tuple[str, ...]:
    """The instructions of so many episodes, of the group that holds their ends."""
    known = [str(text) for text in meta.attrs.get(TEXTS, [])][:episodes]
    return (*known, *[""] * (episodes - len(known)))


def _subgroup(root: zarr.Group, name: str) -> dict[str, Any]:
    group = root[name]
    if not isinstance(group, zarr.Group):
        raise KeyError(name)
    return _members(group)


# --- Demonstrations of LIBERO and robomimic as episodes of a replay buffer ------------------------------------------


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
