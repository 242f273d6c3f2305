"""The last few states of every row as one vector: what a discriminator tells from recorded motion."""

from typing import Protocol

import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.envs.observation import turn_into_heading
from hoigym.envs.start import FIRST_START
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import exp_to_quat, tan_norm
from hoigym.motions.state import BodyState
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.scene import Scene

_CHUNK = 4096  # library frames whose features are computed at a time


class MovingState(BodyState, Protocol):
    """A BodyState with root_lin_vel, root_ang_vel (N, 3)."""

    @property
    def root_lin_vel(self) -> Tensor: ...
    @property
    def root_ang_vel(self) -> Tensor: ...


def motion_features(state: MovingState, joints: Tensor, key_bodies: Tensor, objects: int) -> Tensor:
    """One state as seen from the humanoid, (N, 13 + 3 P + 6 K + 9 Q).

    Columns: root height (1) | root rotation, images of x and z axis (6) | root linear and angular velocity (3, 3) | key
    bodies from the root (3 P) | objects from the root (3 K) | their linear velocities (3 K), all in the heading frame |
    joint rotations, six numbers each (6 Q) | joint velocities (3 Q). With the 52 joints and 17 key bodies of the mocap
    skeleton and no object these are the 532 numbers of AMP (arXiv 2104.02180) in SkillMimic-V2; the objects are ours.

    Args:
        state: N rows.
        joints: (Q,) long, joints that count.
        key_bodies: (P,) long.
        objects: K, how many of the state's objects count.
    """
    root = state.root_pos[:, None]
    turned = torch.cat(
        (
            tan_norm(state.root_quat).unflatten(1, (2, 3)),
            state.root_lin_vel[:, None],
            state.root_ang_vel[:, None],
            state.body_pos[:, key_bodies] - root,
            state.object_pos[:, :objects] - root,
            state.object_lin_vel[:, :objects],
        ),
        dim=1,
    ).flatten(1)
    turn_into_heading(turned, state.root_quat)
    joint_rot = tan_norm(exp_to_quat(state.joint_rot[:, joints])).flatten(1)
    return torch.cat((root[:, 0, 2:], turned, joint_rot, state.joint_vel[:, joints].flatten(1)), dim=1)


class MotionWindows:
    """Windows of the last `length` states of N rows, oldest first, and windows of the recorded motion to compare.

    Locked fingers cannot follow the clips, so neither their joints nor their bodies are in a window.

    width: W of a window.

    Raises UserError where no clip is as long as a window.
    """

    def __init__(self, library: MotionLibrary, scene: Scene, num_rows: int, length: int):
        self._length = length
        skeleton = scene.skeleton
        locked = skeleton.fingers if scene.config.hands == "locked" else ()
        key_bodies = [body for body in skeleton.key_bodies if body not in locked]
        self._joints = torch.as_tensor(scene.free_joints, dtype=torch.long, device=library.device)
        self._key_bodies = torch.tensor(key_bodies, device=library.device)
        self._objects = scene.num_objects
        rows = torch.arange(library.num_frames, device=library.device)
        self._recorded = torch.cat([self._features(library.reference(chunk)) for chunk in rows.split(_CHUNK)])
        self._first = (library.clip_start + FIRST_START)[library.frame_clip]
        self._ends = self._whole_windows(library, rows)
        self.width = length * self._recorded.shape[1]
        self._window = torch.zeros(num_rows, length, self._recorded.shape[1], device=library.device)

    def push(self, state: MovingState, diverged: Tensor) -> Tensor:
        """Adds the present state of every row, the last good one where it diverged (N,) bool; the windows (N, W)."""
        present = torch.where(diverged[:, None], self._window[:, -1], self._features(state))
        window = torch.cat((self._window[:, 1:], present[:, None]), dim=1)
        self._window.copy_(window)
        return window.flatten(1)

    def restart(self, rows: Rows, row: Tensor) -> None:
        """Fills the windows of restarted rows with the recorded motion that leads to the library rows row (R,)."""
        rows.write(self._window, self._recorded[self._leading_to(row)])

    def demonstrate(self, count: int) -> Tensor:
        """Windows (count, W) of the recorded motion, all equally often; drawn by torch's own generator."""
        drawn = torch.randint(len(self._ends), (count,), device=self._ends.device)
        return self._recorded[self._leading_to(self._ends[drawn])].flatten(1)

    def state_dict(self) -> dict[str, Tensor]:
        """The windows, for an exact continuation."""
        return {"window": self._window.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues with windows of the same width."""
        self._window.copy_(state["window"])

    def _features(self, state: MovingState) -> Tensor:
        return motion_features(state, self._joints, self._key_bodies, self._objects)

    def _leading_to(self, row: Tensor) -> Tensor:
        """Library rows (R, length) of the window that ends at row (R,); before a clip's begin its first usable one."""
        back = torch.arange(self._length - 1, -1, -1, device=row.device)
        return (row[:, None] - back).maximum(self._first[row][:, None])

    def _whole_windows(self, library: MotionLibrary, rows: Tensor) -> Tensor:
        """Library rows at which a window without a missing frame ends."""
        inside = rows - self._first >= self._length - 1
        valid = library.valid[self._leading_to(rows)].all(dim=1)
        ends = (inside & valid).nonzero()[:, 0]
        if len(ends) == 0:
            raise UserError(f"no clip has the {self._length} frames on end that a window of the motion asks for")
        return ends
