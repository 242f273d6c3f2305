"""A viewer that writes what it sees as a clip: simulated motion to replay, to render, or to start from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from motions.clip import Clip
from motions.formats import save_clip
from motions.rotations import quat_conj, quat_mul, quat_to_exp
from motions.skeleton import Skeleton
from viewer.base import Moment, Setup, Viewer
from viewer.files import make_folder_of


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
