"""Recorders: viewers that write a video, a contact sheet, or the motion as a clip."""

import os
from collections.abc import Collection, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hoigym.core.errors import UserError, first_line
from hoigym.core.files import make_folder, write_atomically
from hoigym.motions.clip import Clip
from hoigym.motions.formats import save_clip
from hoigym.motions.rotations import quat_conj, quat_mul, quat_to_exp
from hoigym.motions.skeleton import Skeleton
from hoigym.viewer.base import Moment, ProgressViewer, Setup, Viewer
from hoigym.viewer.picture import Painter, PictureConfig, grid


class VideoFile:
    """An MP4 (H.264, plays in browsers) written picture by picture.

    Raises UserError where path cannot be written or there is no ffmpeg.
    """

    def __init__(self, path: Path, fps: float):
        self.path = path
        self.frames = 0
        self._fps = fps
        self._part = path.with_name(f".{path.stem}.{os.getpid()}.tmp.mp4")
        self._writer: Generator[None, Any, None] | None = None
        make_folder_of(path)

    def add(self, picture: np.ndarray) -> None:
        """Appends a picture (H, W, 3) uint8; all of one size."""
        try:
            if self._writer is None:
                self._writer = self._open(picture.shape[1], picture.shape[0])
            self._writer.send(np.ascontiguousarray(_even(picture)))
        except (OSError, RuntimeError) as error:
            self.abort()
            raise UserError(f"{self.path}: cannot be written ({first_line(error)})") from None
        self.frames += 1

    def finish(self) -> None:
        """Gives the file its name; raises UserError where it cannot. Without any picture there is no file."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        try:
            os.replace(self._part, self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror or error})") from None

    def abort(self) -> None:
        """Leaves no file behind."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._part.unlink(missing_ok=True)

    def _open(self, width: int, height: int) -> Generator[None, Any, None]:
        options: dict[str, Any] = {
            "fps": self._fps,
            "codec": "libx264",
            "pix_fmt_out": "yuv420p",
            "macro_block_size": 2,
            "quality": 6,
            # Browsers can start before they have the whole file.
            "output_params": ["-preset", "fast", "-movflags", "+faststart"],
            "ffmpeg_log_level": "error",
        }
        size = (width + width % 2, height + height % 2)
        writer = imageio_ffmpeg.write_frames(str(self._part), size, **options)
        writer.send(None)
        return writer


def write_picture(picture: np.ndarray, path: Path) -> None:
    """Writes a PNG of (H, W, 3) uint8; raises UserError where it cannot."""
    make_folder_of(path)
    try:
        with write_atomically(path) as file:
            Image.fromarray(picture).save(file, format="PNG", optimize=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None


def make_folder_of(path: Path) -> None:
    """Makes the folder that path lies in; raises UserError where it cannot or path is a folder itself."""
    make_folder(path.parent)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; expected a file name")


def _even(picture: np.ndarray) -> np.ndarray:
    """H.264 stores colour for two by two pixels."""
    return np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")


# --- Viewers that write files: a video, or a contact sheet of a few steps -------------------------------------------


# A step is seen this far ahead of its time [pictures], so that rounding errors do not decide which ones are.
_SLACK = 0.75


class _Recorder(Viewer):
    """Paints setup after setup. Used in a `with` block: one left by an exception leaves no file."""

    def __init__(self, config: PictureConfig):
        self._config = config
        self._painter: Painter | None = None

    def begin(self, setup: Setup) -> None:
        self._stop_painting()
        self._painter = Painter(self._config, setup)

    @property
    def painter(self) -> Painter:
        """Of the current setup."""
        assert self._painter is not None, "begin comes before show"
        return self._painter

    def close(self) -> None:
        self._stop_painting()

    def _stop_painting(self) -> None:
        if self._painter is not None:
            self._painter.close()
            self._painter = None


class VideoRecorder(_Recorder):
    """Writes an MP4 of `fps` pictures a second, in which time runs `speed` times as fast as shown."""

    def __init__(self, path: Path, config: PictureConfig, fps: float = 30.0, speed: float = 1.0):
        super().__init__(config)
        self._file = VideoFile(path, fps)
        self._pictures_per_second = fps / speed
        self._pictures_per_step = 0.0
        self._due = _SLACK

    def begin(self, setup: Setup) -> None:
        super().begin(setup)
        self._pictures_per_step = setup.dt * self._pictures_per_second

    def show(self, moments: Sequence[Moment]) -> None:
        self.painter.note(moments)
        self._due += self._pictures_per_step
        copies = int(self._due) - self._file.frames
        if not self._file.frames:
            copies = max(copies, 1)  # however fast time runs, there is a picture
        if copies > 0:
            picture = self.painter.paint(moments)
            for _ in range(copies):
                self._file.add(picture)

    def close(self) -> None:
        super().close()
        self._file.finish()

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self._file.abort()
        self.close()


class SheetRecorder(_Recorder):
    """Draws the steps numbered in `keep`, counted from the first one shown, into a PNG grid of `columns`.

    Every `begin` starts a new row.
    """

    def __init__(self, path: Path, config: PictureConfig, keep: Collection[int], columns: int):
        super().__init__(config)
        make_folder_of(path)
        self._path, self._columns = path, columns
        self._keep = frozenset(keep)
        self._tiles: list[np.ndarray] = []
        self._steps = 0

    def begin(self, setup: Setup) -> None:
        super().begin(setup)
        while len(self._tiles) % self._columns:
            self._tiles.append(np.full_like(self._tiles[-1], 255))

    def show(self, moments: Sequence[Moment]) -> None:
        self.painter.note(moments)
        if self._steps in self._keep:
            self._tiles.append(self.painter.paint(moments))
        self._steps += 1

    def close(self) -> None:
        super().close()
        if self._tiles:
            write_picture(grid(self._tiles, self._columns), self._path)
            self._tiles = []

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self._tiles = []
        self.close()


# --- A viewer that writes what it sees as a clip: simulated motion to replay, to render, or to start from -----------


class ClipRecorder(Viewer):
    """Writes an .npz clip of the first figure, until its episode ends: what comes next begins somewhere else.

    The skill is the one that was asked for first; an object counts as held while it is touched and a hand touches one.
    Used in a `with` block: one left by an exception leaves no file.
    """

    def __init__(self, path: Path):
        make_folder_of(path)
        self._path = path
        self._setup: Setup | None = None
        self._moments: list[Moment] = []
        self._over = False

    def begin(self, setup: Setup) -> None:
        self._setup = setup

    def show(self, moments: Sequence[Moment]) -> None:
        self._over = self._over or (moments[0].begins and bool(self._moments))
        if not self._over:
            self._moments.append(moments[0])

    @property
    def closed(self) -> bool:
        return self._over

    def close(self) -> None:
        if self._setup is not None and self._moments:
            save_clip(_clip(self._path.stem, self._setup, self._moments), self._path)
        self._moments = []

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self._moments = []
        self.close()


def _clip(name: str, setup: Setup, moments: Sequence[Moment]) -> Clip:
    poses = [moment.pose for moment in moments]
    body_quat = torch.from_numpy(np.stack([pose.body_quat for pose in poses]))
    held = np.stack([pose.object_touch & moment.touch for pose, moment in zip(poses, moments, strict=True)])
    return Clip(
        name=name,
        skill=moments[0].skill_id,
        skeleton=setup.skeleton.name,
        fps=round(1.0 / setup.dt, 6),
        root_pos=_floats([pose.body_pos[0] for pose in poses]),
        root_rot=quat_to_exp(body_quat[:, 0]).float().numpy(),
        joint_rot=_joint_rotations(setup.skeleton, body_quat).float().numpy(),
        body_pos=None,
        object_pos=_floats([pose.object_pos for pose in poses]),
        object_rot=quat_to_exp(torch.from_numpy(np.stack([pose.object_quat for pose in poses]))).float().numpy(),
        contact=held.astype(np.float32),
    )


def _joint_rotations(skeleton: Skeleton, body_quat: Tensor) -> Tensor:
    """Exp-maps (T, J, 3) of every body in the frame of its parent, from world orientations (T, B, 4)."""
    return quat_to_exp(quat_mul(quat_conj(body_quat[:, list(skeleton.parents[1:])]), body_quat[:, 1:]))


def _floats(values: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(values).astype(np.float32)


# --- Opens the recorder that a file name asks for -------------------------------------------------------------------


VIDEO, PICTURE, CLIP = ".mp4", ".png", ".npz"
# Pictures on the sheet of one sequence; of each, where there are several.
_ALONE, _EACH = 12, 7
_COLUMNS = 4


def open_recorder(
    out: str | Path,
    lengths: Sequence[int],
    picture: PictureConfig | None = None,
    fps: float = 30.0,
    speed: float = 1.0,
) -> Viewer:
    """A viewer that writes a file and shows its progress; to be used in a `with` block.

    Args:
        out: an .mp4, or a .png: a sheet of twelve moments, or a row of seven for each of several sequences,
            half as wide and high as in a video; or an .npz: the motion itself, as a clip.
        lengths: steps of the sequences that will be shown one after another: of each clip, or of a rollout.
        picture: how one figure is drawn.
        fps: pictures a second of a video.
        speed: how fast time runs in a video; 0.25 is slow motion.

    Raises UserError for another suffix, several sequences for a clip, or a file that cannot be written.
    """
    out, picture = Path(out), picture or PictureConfig()
    suffix = out.suffix.lower()
    if suffix == VIDEO:
        recorder: Viewer = VideoRecorder(out, picture, fps, speed)
    elif suffix == PICTURE:
        small = replace(picture, width=picture.width // 2, height=picture.height // 2)
        recorder = SheetRecorder(out, small, *_sheet(lengths))
    elif suffix == CLIP:
        if len(lengths) > 1:
            raise UserError(f"{out}: a clip holds one sequence, not {len(lengths)}; choose one")
        recorder = ClipRecorder(out)
    else:
        raise UserError(f"{out}: unknown suffix '{out.suffix}'; expected {VIDEO}, {PICTURE} or {CLIP}")
    return ProgressViewer(recorder, f"recording {out.name}", sum(lengths))


def _sheet(lengths: Sequence[int]) -> tuple[list[int], int]:
    """Which steps a sheet shows, evenly spread over each sequence, and in how many columns."""
    count = _ALONE if len(lengths) == 1 else _EACH
    starts = np.cumsum([0, *lengths[:-1]])
    picks = [
        start + np.linspace(0, length - 1, count).round().astype(int)
        for start, length in zip(starts, lengths, strict=True)
    ]
    return np.concatenate(picks).tolist(), _COLUMNS if len(lengths) == 1 else count
