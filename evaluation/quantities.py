"""Quantities that rules are about, and the states they are read from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hoigym.motions.skeleton import Skeleton


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


# --- Numbers that conditions are about ------------------------------------------------------------------------------


class Quantities:
    """Quantities (N,) of a snapshot by name, computed when asked for. With several objects, of the worst one."""

    def __init__(self, snapshot: Snapshot, skeleton: Skeleton):
        self._snapshot, self._skeleton = snapshot, skeleton
        self._values: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._values:
            self._values[name] = QUANTITIES[name](self)
        return self._values[name]

    def root_height(self) -> Tensor:
        """Height of the root [m]."""
        return self._snapshot.root_pos[:, 2]

    def root_speed(self) -> Tensor:
        """Speed of the root [m/s]."""
        return vector_norm(self._snapshot.root_lin_vel, dim=1)

    def root_pace(self) -> Tensor:
        """Speed of the root over the ground [m/s]."""
        return vector_norm(self._snapshot.root_lin_vel[:, :2], dim=1)

    def turn_rate(self) -> Tensor:
        """How fast the root turns about the vertical, to its left positive [degrees/s]."""
        return torch.rad2deg(self._snapshot.root_ang_vel[:, 2])

    def object_height(self) -> Tensor:
        """Height of the object, of the lowest of several [m]."""
        return self._snapshot.object_pos[..., 2].amin(1)

    def object_distance(self) -> Tensor:
        """Distance of the object from the root, of the farthest of several [m]."""
        return vector_norm(self._snapshot.object_pos - self._snapshot.root_pos[:, None], dim=2).amax(1)

    def object_vertical_speed(self) -> Tensor:
        """Speed of the object up or down [m/s]."""
        return self._snapshot.object_lin_vel[..., 2].abs().amin(1)

    def object_speed(self) -> Tensor:
        """Speed of the object, of the slowest of several [m/s]."""
        return vector_norm(self._snapshot.object_lin_vel, dim=2).amin(1)

    def wrist_distance(self) -> Tensor:
        """Distance of the object from the nearer wrist, of the farthest of several [m]."""
        wrists = self._snapshot.body_pos[:, wrists_of(self._skeleton)]
        apart = vector_norm(wrists[:, :, None] - self._snapshot.object_pos[:, None], dim=3)
        return apart.amin(1).amax(1)

    def held(self) -> Tensor:
        """1 where a hand touches the object, each of several; else 0."""
        return self._snapshot.held.all(1).float()


QUANTITIES: dict[str, Callable[[Quantities], Tensor]] = {
    quantity.__name__: quantity
    for quantity in (
        Quantities.root_height,
        Quantities.root_speed,
        Quantities.root_pace,
        Quantities.turn_rate,
        Quantities.object_height,
        Quantities.object_distance,
        Quantities.object_vertical_speed,
        Quantities.object_speed,
        Quantities.wrist_distance,
        Quantities.held,
    )
}
"""Every quantity that metrics may name."""
OF_OBJECTS = ("object_height", "object_distance", "object_vertical_speed", "object_speed", "wrist_distance", "held")


def wrists_of(skeleton: Skeleton) -> list[int]:
    """The body that each hand hangs on."""
    return [body for body in sorted(skeleton.hands) if skeleton.parents[body] not in skeleton.hands]
