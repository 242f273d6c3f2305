"""Clip files: the published .pt layouts and our own .npz.

A published clip is one float32 tensor (T, W) of these columns, in order; exp-maps are rotation vectors.

* W = 337, skeleton "mocap": root position 3, root exp-map 3, its copy 3, joint exp-maps 52 x 3, body
  positions 53 x 3, ball position 3, ball exp-map 3, zeros 6, contact label 1.
* W = 409, skeleton "parahome": root position 3, root exp-map 3, zeros 3, joint exp-maps 60 x 3, body
  positions 71 x 3 (the last 10 unused), object position 3, object exp-map 3, contact label 1.
* W = 415: as 409 with two objects.

An .npz clip holds the fields of `Clip` (without its name, which is the file's) and the format version.
"""

import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from hoigym.core.files import read_npz, write_atomically
from hoigym.motions.clip import Clip, ClipError
from hoigym.motions.skeleton import load_skeleton

FORMAT_VERSION = 1
SUFFIXES = (".pt", ".npz")

_BODY_SLOTS = {"mocap": 53, "parahome": 71}
_LAYOUTS = {337: ("mocap", 1), 409: ("parahome", 1), 415: ("parahome", 2)}
_NPZ_ARRAYS = ("root_pos", "root_rot", "joint_rot", "object_pos", "object_rot", "contact")


def load_clip(path: str | Path) -> Clip:
    """The clip in a .pt or .npz file; no code in the file is ever run.

    Raises ClipError, one line naming the file, for a missing, truncated or foreign file, a wrong width, dtype
    or frame rate, NaN, fewer than 4 frames, or a .pt name that does not begin with a three-digit skill id.
    """
    path = Path(path)
    if not path.is_file():
        raise ClipError(path, "no such file; expected a .pt or .npz clip")
    readers = {".pt": _read_pt, ".npz": _read_npz}
    if path.suffix not in readers:
        raise ClipError(path, f"unknown suffix '{path.suffix}'; expected .pt or .npz")
    try:
        return readers[path.suffix](path)
    except ClipError as error:
        raise ClipError(path, error.problem) from None
    except OSError as error:
        raise ClipError(path, f"cannot be read ({error.strerror or error})") from None


def load_clips(path: str | Path) -> list[Clip]:
    """The clip in a file, or all clips below a directory in the published order.

    That order sorts by the number that the digits right before the suffix form (none: first); trajectory
    graphs refer to it. Equal numbers go by path. Raises ClipError like `load_clip`, and for a directory
    without clips or with one clip in both formats side by side.
    """
    return [load_clip(file) for file in clip_files(path)]


def clip_files(path: str | Path) -> list[Path]:
    """The files that `load_clips` reads, in its order; raises ClipError where there are none."""
    path = Path(path)
    if not path.exists():
        raise ClipError(path, "no such file or directory; expected a clip or a directory of clips")
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file()]
    if not files:
        raise ClipError(path, "no clip in this directory; expected .pt or .npz files")
    twins = {file for file in files if file.suffix == ".pt" and file.with_suffix(".npz") in files}
    if twins:
        raise ClipError(min(twins), "lies beside its own .npz; expected each clip once")
    return sorted(files, key=lambda file: (_order_number(file), file.relative_to(path).as_posix()))


def save_clip(clip: Clip, path: str | Path, extra: Mapping[str, np.ndarray] | None = None) -> None:
    """Writes an .npz clip; the file appears whole or not at all, equal clips give equal bytes.

    extra: further arrays by name, which `load_clip` passes over. Raises ClipError for another suffix or where the
    file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ClipError(path, f"cannot write '{path.suffix}' clips; expected .npz")
    entries = {
        "format_version": np.array(FORMAT_VERSION),
        "skill": np.array(clip.skill),
        "skeleton": np.array(clip.skeleton),
        "fps": np.array(clip.fps),
        **clip.arrays(),
        **(extra or {}),
    }
    try:
        with write_atomically(path) as file:
            _write_npz(file, entries)
    except OSError as error:
        raise ClipError(path, f"cannot be written ({error.strerror or error})") from None


def _order_number(file: Path) -> int:
    digits = re.search(r"(\d+)$", file.stem)
    return int(digits.group(1)) if digits else -1


def _read_pt(path: Path) -> Clip:
    table = _safe_tensor(path)
    if table.shape[1] not in _LAYOUTS:
        widths = ", ".join(map(str, _LAYOUTS))
        raise ClipError(path, f"{table.shape[1]} columns; expected {widths}")
    skeleton_name, objects = _LAYOUTS[table.shape[1]]
    skeleton = load_skeleton(skeleton_name)
    joints_end = 9 + 3 * skeleton.num_joints
    bodies_end = joints_end + 3 * _BODY_SLOTS[skeleton_name]
    per_object = table[:, bodies_end : bodies_end + 6 * objects].reshape(-1, objects, 6)
    object_rot = per_object[..., 3:]
    if skeleton_name == "mocap":
        # The ball's exp-map is stored with the opposite sign (the published loader negates it; the published
        # clips hold zeros). Adding zero keeps -0 out of the clip.
        object_rot = 0.0 - object_rot
    contact = np.zeros((len(table), objects), np.float32)
    contact[:, 0] = np.rint(table[:, -1])  # one label a file: it speaks of the first object
    return Clip(
        name=path.stem,
        skill=_skill_of_name(path),
        skeleton=skeleton_name,
        fps=skeleton.fps,
        root_pos=table[:, 0:3].copy(),
        root_rot=table[:, 3:6].copy(),
        joint_rot=table[:, 9:joints_end].reshape(-1, skeleton.num_joints, 3).copy(),
        body_pos=table[:, joints_end:bodies_end].reshape(len(table), -1, 3)[:, : skeleton.num_bodies].copy(),
        object_pos=per_object[..., :3].copy(),
        object_rot=object_rot.copy(),
        contact=contact,
    )


def _safe_tensor(path: Path) -> np.ndarray:
    expected = "expected one float32 tensor written by torch.save"
    data = io.BytesIO(path.read_bytes())
    try:
        with warnings.catch_warnings(action="ignore"):
            value = torch.load(data, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        unsafe = re.search(r"GLOBAL (\S+)", str(error))
        what = f"a pickle that calls {unsafe.group(1)}, refused unread" if unsafe else "not a tensor file"
        raise ClipError(path, f"{what}; {expected}") from None
    except Exception:  # torch reports a damaged archive with many exception types
        raise ClipError(path, f"truncated or not a tensor file; {expected}") from None
    if type(value) is not torch.Tensor:
        raise ClipError(path, f"holds a {type(value).__name__}; {expected}")
    if value.layout is not torch.strided or value.device.type != "cpu":
        raise ClipError(path, f"holds a {value.layout} tensor on device '{value.device}'; {expected}")
    if value.dtype is not torch.float32 or value.ndim != 2:
        found = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        raise ClipError(path, f"holds a {found} tensor; expected float32 (frames, columns)")
    if not value.isfinite().all():
        frame, column = (~value.isfinite()).nonzero()[0].tolist()
        raise ClipError(path, f"NaN or infinity at frame {frame}, column {column}; expected finite numbers")
    return value.detach().numpy()


def _skill_of_name(path: Path) -> int:
    if not re.match(r"\d{3}", path.name):
        raise ClipError(path, "no skill id; expected a file name that begins with three digits")
    return int(path.name[:3])


def _read_npz(path: Path) -> Clip:
    try:
        entries = read_npz(path)
    except ValueError:
        raise ClipError(path, "truncated or not an .npz of plain arrays") from None
    version = _scalar(path, entries, "format_version", "iu")
    if version != FORMAT_VERSION:
        raise ClipError(path, f"clip format {version}; expected {FORMAT_VERSION}")
    absent = [name for name in _NPZ_ARRAYS if name not in entries]
    if absent:
        raise ClipError(path, f"no entry '{absent[0]}'; expected {', '.join(_NPZ_ARRAYS)}")
    return Clip(
        name=path.stem,
        skill=_scalar(path, entries, "skill", "iu"),
        skeleton=_scalar(path, entries, "skeleton", "U"),
        fps=_scalar(path, entries, "fps", "fiu"),
        body_pos=entries.get("body_pos"),
        **{name: entries[name] for name in _NPZ_ARRAYS},
    )


def _scalar(path: Path, entries: dict[str, np.ndarray], name: str, kinds: str):
    """A 0-d entry whose dtype kind is one of kinds."""
    value = entries.get(name)
    if value is None or value.ndim or value.dtype.kind not in kinds:
        raise ClipError(path, f"no valid entry '{name}'; expected a clip written by `motions convert`")
    return value.item()


def _write_npz(file, entries: dict[str, np.ndarray]) -> None:
    # np.savez stamps the time into the archive; a fixed date makes equal clips equal files.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in entries.items():
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as entry:
                np.lib.format.write_array(entry, array.copy(order="C"), allow_pickle=False)
