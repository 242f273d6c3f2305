"""Trials without physics: the reference itself, frame by frame."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.linalg import vector_norm

from evaluation.snapshot import Snapshot
from motions.frames import Frames
from motions.library import MotionLibrary

# A hand holds an object only within this distance of its centre [m]: a label alone does not make a touch.
_REACH = 0.35


class ReplayTrials:
    """Trial i shows the frames of clip[i] (N,) from frame[i] (N,) to the clip's end, as if they had been reached."""

    def __init__(self, library: MotionLibrary, clip: Tensor, frame: Tensor):
        self._library, self._clip, self._frame = library, clip, frame
        self._hands = list(library.skeleton.hands)

    def snapshots(self) -> Iterator[Snapshot]:
        """The start, then the state after each step to the end of the longest trial."""
        library = self._library
        left = library.clip_length[self._clip] - 1 - self._frame
        for step in range(int(left.max()) + 1):
            row = library.frame_index(self._clip, self._frame + step)
            active = step <= left
            yield self.snapshot(library.reference(row), active, active & library.valid[row])

    def snapshot(self, frames: Frames, active: Tensor, referenced: Tensor) -> Snapshot:
        """The snapshot in which N trials are exactly in frames."""
        held = frames.contact > 0.5
        if frames.object_pos.shape[1]:
            hands = frames.body_pos[:, self._hands, None]
            held = held & (vector_norm(hands - frames.object_pos[:, None], dim=3).amin(1) < _REACH)
        nobody = torch.zeros_like(active)
        return Snapshot(
            root_pos=frames.root_pos,
            root_lin_vel=frames.root_lin_vel,
            root_ang_vel=frames.root_ang_vel,
            body_pos=frames.body_pos,
            object_pos=frames.object_pos,
            object_lin_vel=frames.object_lin_vel,
            held=held,
            touching=nobody,
            active=active,
            lost=nobody,
            reference=frames,
            referenced=referenced,
            reward=torch.ones(len(active), device=active.device),
        )
