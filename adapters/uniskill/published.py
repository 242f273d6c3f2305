"""Published data sets as they lie on the disk, and the footage that a configuration names.

Layouts, splits and gaps as in repository KimHanjung/UniSkill.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from hoigym.adapters.uniskill.config import PairConfig
from hoigym.adapters.uniskill.footage import (
    FileFootage,
    Footage,
    JoinedFootage,
    Piece,
    StoreFootage,
    read_video,
    video_facts,
    video_footage,
)
from hoigym.adapters.uniskill.store import RenderStore
from hoigym.core.errors import UserError

_TRAIN_SHARE = 0.9
GAPS = {
    "bridge": (5, 10),
    "droid": (20, 40),
    "libero": (20, 40),
    "h2o": (30, 60),
    "sthsthv2": (10, 30),
    "xskill": (10, 20),
}
"""Least and largest gap between the pictures of a pair [frames]."""
_COMBINED = ("droid", "libero", "bridge", "sthsthv2", "h2o")
_SSV2_SKIPPED = 0.4
"""Share at the start of a clip of Something-Something in which nothing has happened yet."""
_SSV2_LABELS = frozenset(
    [1, 4, 7, 8, 12, 13, 15, 21, 22, *range(24, 32), 33, 34, 35, *range(40, 59), 63, *range(66, 80)]
    + [*range(81, 91), *range(93, 124), *range(144, 151), 153, *range(156, 162), 164, 171, 172, 173]
)
"""Labels of Something-Something whose motion is a hand's skill; see the repository."""


def bridge(config: PairConfig, held_out: bool) -> FileFootage:
    """metadata.json: {video: length}; videos below the folder."""
    root = Path(config.path)
    lengths: dict[str, int] = _json(root / "metadata.json")
    takes = [(root / name, int(length)) for name, length in sorted(lengths.items())]
    return _footage(_nine_tenths(takes, held_out), GAPS["bridge"], read_video)


def droid(config: PairConfig, held_out: bool) -> FileFootage:
    """metadata.json: {video: {"success", "length"}}; successful ones, from the first outer camera.

    In the raw layout every entry has its lab and ext1_mp4_path; those are one frame shorter than they say.
    """
    root = Path(config.path)
    entries: dict[str, dict[str, Any]] = _json(root / "metadata.json")
    takes = []
    for name, entry in sorted(entries.items()):
        if "ext1_mp4_path" in entry:
            takes.append((root / entry["lab"] / entry["ext1_mp4_path"], int(entry["length"]) - 1))
        elif entry.get("success") == "success":
            takes.append((root / "exterior_image_1_left" / name, int(entry["length"])))
    return _footage(_nine_tenths(takes, held_out), GAPS["droid"], read_video)


def libero(config: PairConfig, held_out: bool) -> FileFootage:
    """libero*/TASK/DEMO.npy, uint8 (T, H, W, 3); a tenth of every task is held out."""
    takes = []
    for task in sorted(path for path in Path(config.path).glob("libero*/*") if path.is_dir()):
        demos = [(path, len(np.load(path, mmap_mode="r", allow_pickle=False))) for path in sorted(task.glob("*.npy"))]
        takes += _nine_tenths(demos, held_out)
    return _footage(takes, GAPS["libero"], _read_array)


def h2o(config: PairConfig, held_out: bool) -> FileFootage:
    """metadata.json: list of {"path", "length"}; frames PATH/000000.png."""
    root = Path(config.path)
    entries: list[dict[str, Any]] = _json(root / "metadata.json")
    takes = [(root / entry["path"], int(entry["length"])) for entry in entries]
    return _footage(_nine_tenths(takes, held_out), GAPS["h2o"], _read_pictures)


def sthsthv2(config: PairConfig, held_out: bool) -> FileFootage:
    """labels/metadata_{train,val}.json, labels/labels.json, sthsthv2/ID.mp4; skill labels only."""
    root = Path(config.path)
    entries: dict[str, dict[str, Any]] = _json(root / "labels" / f"metadata_{'val' if held_out else 'train'}.json")
    label_of: dict[str, str] = _json(root / "labels" / "labels.json")
    takes = []
    for name, entry in sorted(entries.items()):
        label = label_of.get(re.sub(r"[\[\]]", "", entry["template"]))
        if label is not None and int(label) in _SSV2_LABELS:
            takes.append((root / "sthsthv2" / f"{name}.mp4", int(entry["length"])))
    return _footage(takes, GAPS["sthsthv2"], read_video, _SSV2_SKIPPED)


def xskill(config: PairConfig, held_out: bool) -> FileFootage:
    """data_v2/TASK/videos/DEMO/CAMERA/*.mp4 but camera 1; tasks that begin with "human" are people's."""
    paths = sorted(path for path in Path(config.path).glob("data_v2/*/videos/*/*/*.mp4") if path.parent.name != "1")
    if config.unseen == "none":
        takes = _nine_tenths([(path, 0) for path in paths], held_out)
    else:
        human = [path for path in paths if path.parents[3].name.startswith("human")]
        robot = [path for path in paths if path not in set(human)]
        unseen, seen = (human, robot) if config.unseen == "human" else (robot, human)
        takes = [(path, 0) for path in (unseen if held_out else seen)]
    measured = [(path, video_facts(path)[0]) for path, _ in takes]
    return _footage(measured, GAPS["xskill"], read_video)


def combined(config: PairConfig, held_out: bool) -> JoinedFootage:
    """Those of droid, libero, bridge, sthsthv2, h2o that lie in the folder, each under its name; a pair of every take
    in turn.
    """
    kinds = [kind for kind in _COMBINED if (Path(config.path) / kind).is_dir()]
    if not kinds:
        raise UserError(f"{config.path}: none of the folders {', '.join(_COMBINED)} there")
    return JoinedFootage(
        [PUBLISHED[kind](replace(config, path=str(Path(config.path) / kind)), held_out) for kind in kinds]
    )


PUBLISHED: dict[str, Callable[[PairConfig, bool], Footage]] = {
    "bridge": bridge,
    "droid": droid,
    "libero": libero,
    "h2o": h2o,
    "sthsthv2": sthsthv2,
    "xskill": xskill,
    "combined": combined,
}


def _footage(
    takes: Sequence[tuple[Path, int]],
    gap: tuple[int, int],
    read: Callable[[Path, Sequence[int]], np.ndarray],
    skipped: float = 0.0,
) -> FileFootage:
    pieces = [
        (path, Piece(str(path), int(skipped * length), length, gap))
        for path, length in takes
        if length - int(skipped * length) > gap[0]
    ]
    return FileFootage(pieces, read)


def _nine_tenths(takes: list[tuple[Path, int]], held_out: bool) -> list[tuple[Path, int]]:
    """The first nine tenths, or the rest."""
    cut = int(_TRAIN_SHARE * len(takes))
    return takes[cut:] if held_out else takes[:cut]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; expected the data set's description") from None
    except ValueError:
        raise UserError(f"{path}: not a JSON file") from None


def _read_array(path: Path, indices: Sequence[int]) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)[list(indices)]


def _read_pictures(path: Path, indices: Sequence[int]) -> np.ndarray:
    return np.stack([iio.imread(path / f"{index:06d}.png")[..., :3] for index in indices])


# --- The footage that a configuration names -------------------------------------------------------------------------


def open_footage(config: PairConfig, held_out: bool) -> Footage:
    """Pieces to learn from, or those held out; raises UserError where the data is not there."""
    parts = [_open(replace(config, path=path), held_out) for path in config.path.split(":")]
    return JoinedFootage(parts) if len(parts) > 1 else parts[0]


def _open(config: PairConfig, held_out: bool) -> Footage:
    if config.kind == "store":
        return StoreFootage(RenderStore.open(config.path), config, held_out)
    if config.kind == "videos":
        return video_footage(config, held_out)
    try:
        return PUBLISHED[config.kind](config, held_out)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise UserError(f"{config.path}: not laid out as {config.kind} is ({type(error).__name__}: {error})") from None
