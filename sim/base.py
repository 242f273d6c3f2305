"""The engine seam: what every physics engine offers to the environments."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from hoigym.motions.state import MotionState
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.scene import Scene


@dataclass(frozen=True)
class SimState:
    """Live state of N humanoids, refreshed in place by every step and every set_state.

    Fields as in MotionState, and: body_pos, body_lin_vel, body_ang_vel (N, B, 3), body_quat (N, B, 4) of the
    body frames in the world; projectile_pos, projectile_lin_vel, projectile_ang_vel (N, P, 3), projectile_quat
    (N, P, 4), of boxes that wait above `PARKED_ABOVE` until they are thrown; body_force (N, B, 3), object_force
    (N, K, 3): net contact force [N], world frame; ground_contact (N, B), object_contact (N, B, K): bool, from the
    engine's contact pairs, in which projectiles do not count; diverged (N,) bool: the last step or set_state blew
    up in this row or was given NaN; its values mean nothing (they may be NaN) until it is set anew.
    """

    root_pos: Tensor
    root_quat: Tensor
    root_lin_vel: Tensor
    root_ang_vel: Tensor
    joint_rot: Tensor
    joint_vel: Tensor
    body_pos: Tensor
    body_quat: Tensor
    body_lin_vel: Tensor
    body_ang_vel: Tensor
    object_pos: Tensor
    object_quat: Tensor
    object_lin_vel: Tensor
    object_ang_vel: Tensor
    projectile_pos: Tensor
    projectile_quat: Tensor
    projectile_lin_vel: Tensor
    projectile_ang_vel: Tensor
    body_force: Tensor
    object_force: Tensor
    ground_contact: Tensor
    object_contact: Tensor
    diverged: Tensor

    @staticmethod
    def allocate(num_envs: int, scene: Scene, device: torch.device) -> "SimState":
        """State of N rows, all zero."""
        bodies, joints, objects = scene.skeleton.num_bodies, scene.skeleton.num_joints, scene.num_objects
        projectiles = scene.num_projectiles

        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(num_envs, *shape, dtype=dtype, device=device)

        return SimState(
            root_pos=zeros(3),
            root_quat=zeros(4),
            root_lin_vel=zeros(3),
            root_ang_vel=zeros(3),
            joint_rot=zeros(joints, 3),
            joint_vel=zeros(joints, 3),
            body_pos=zeros(bodies, 3),
            body_quat=zeros(bodies, 4),
            body_lin_vel=zeros(bodies, 3),
            body_ang_vel=zeros(bodies, 3),
            object_pos=zeros(objects, 3),
            object_quat=zeros(objects, 4),
            object_lin_vel=zeros(objects, 3),
            object_ang_vel=zeros(objects, 3),
            projectile_pos=zeros(projectiles, 3),
            projectile_quat=zeros(projectiles, 4),
            projectile_lin_vel=zeros(projectiles, 3),
            projectile_ang_vel=zeros(projectiles, 3),
            body_force=zeros(bodies, 3),
            object_force=zeros(objects, 3),
            ground_contact=zeros(bodies, dtype=torch.bool),
            object_contact=zeros(bodies, objects, dtype=torch.bool),
            diverged=zeros(dtype=torch.bool),
        )


@dataclass(frozen=True)
class Flight:
    """How R projectiles begin to fly; world frame.

    pos, lin_vel [m/s], ang_vel [rad/s] (R, 3); quat (R, 4).
    """

    pos: Tensor
    quat: Tensor
    lin_vel: Tensor
    ang_vel: Tensor


class Simulator(ABC):
    """N copies of a scene under one engine.

    A row is one humanoid with its objects. Engines that put several humanoids into one world keep the row as
    the unit, so that every tensor keeps its shape.
    """

    def __init__(self, scene: Scene, num_envs: int, device: torch.device):
        self.scene = scene
        self.num_envs = num_envs
        self.device = device
        self.control_dt = 1.0 / scene.config.control_hz
        self.state = SimState.allocate(num_envs, scene, device)

    @property
    def counters(self) -> dict[str, Tensor]:
        """Running totals of row-steps by event, () int64 on the device; to read one waits for the device.

        "diverged" ones; others as the engine has them. Empty where the engine does not count.
        """
        return {}

    def step(self, joint_target: Tensor) -> None:
        """Advances one control step with the drives held at joint_target (N, J, 3) exp-maps [rad].

        Afterwards the whole state is that of the new time; only forces and contacts are those of the last
        substep.
        """
        self.hold(joint_target)
        self.advance()

    def set_state(self, rows: Rows, start: MotionState) -> None:
        """Puts the selected rows into start (R rows) and makes their whole state fresh, contacts included.

        Forces in these rows: engine `mujoco` gives those of the start; `mujoco_warp` zero until the next
        step, for there a solve for few rows costs as much as one for all.
        """
        if len(rows):
            self.place(rows, start)
            self.settle(rows)

    # Both have two halves, so that what comes before the engine's own work can be one CUDA graph with the rest.

    @abstractmethod
    def hold(self, joint_target: Tensor) -> None:
        """First half of a step: the drive targets (N, J, 3) of the steps to come."""

    @abstractmethod
    def advance(self) -> None:
        """Second half of a step: what the engine does."""

    @abstractmethod
    def place(self, rows: Rows, start: MotionState) -> None:
        """First half of `set_state`: the engine's own coordinates. `state` does not count until `settle`."""

    @abstractmethod
    def settle(self, rows: Rows) -> None:
        """Second half of `set_state`: everything that follows from the coordinates of the placed rows."""

    def launch(self, rows: Rows, box: Tensor, flight: Flight) -> None:
        """Puts projectile box (R,) long of the selected rows into flight (R rows); `set_state` parks them all again.

        Only that projectile's part of the state changes; what it touches is known after the next step.
        """
        if len(rows) == 0:
            return
        for name, values in vars(flight).items():
            rows.write_one(getattr(self.state, f"projectile_{name}"), box, values)
        self._launch_projectile(rows, box, flight)

    @abstractmethod
    def _launch_projectile(self, rows: Rows, box: Tensor, flight: Flight) -> None:
        """Brings the engine's own coordinates of the launched projectiles up to date."""

    @abstractmethod
    def add_root_velocity(self, velocity: Tensor) -> None:
        """Adds velocity (N, 2) [m/s] over the ground to the roots in the engine's own coordinates, not in `state`."""

    @abstractmethod
    def generalized_positions(self) -> Tensor:
        """MuJoCo qpos of every row, (N, nq) on the CPU, for drawing and recording."""

    @abstractmethod
    def snapshot(self) -> dict[str, Tensor]:
        """All that a bit-exact continuation needs."""

    @abstractmethod
    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continues from a snapshot of the same scene and number of rows."""

    def close(self) -> None:  # noqa: B027 - most engines hold nothing
        """Frees what the engine holds."""
