"""The seam between what is judged and where its states come from."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class ReferenceFrames(Protocol):
    """What the frames of a library say about N rows; shapes as in `motions.frames.Frames`."""

    @property
    def root_pos(self) -> Tensor: ...
    @property
    def body_pos(self) -> Tensor: ...
    @property
    def object_pos(self) -> Tensor: ...
    @property
    def contact(self) -> Tensor: ...


@dataclass(frozen=True)
class Snapshot:
    """N trials at one time; B bodies, K objects, world frame. Valid until the next one is asked for.

    root_pos, root_lin_vel, root_ang_vel (N, 3); body_pos (N, B, 3); object_pos, object_lin_vel (N, K, 3);
    held (N, K) bool: a hand touches the object; touching (N,) bool: a body that should touch nothing does.
    active (N,) bool: the trial goes on; its other values mean nothing where not. lost (N,) bool: it ended in a
    way that cannot be a success. reference, and referenced (N,) bool: where it counts here. reward (N,): of the
    step, 1 at most; it counts where referenced.
    """

    root_pos: Tensor
    root_lin_vel: Tensor
    root_ang_vel: Tensor
    body_pos: Tensor
    object_pos: Tensor
    object_lin_vel: Tensor
    held: Tensor
    touching: Tensor
    active: Tensor
    lost: Tensor
    reference: ReferenceFrames
    referenced: Tensor
    reward: Tensor
