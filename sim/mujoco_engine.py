"""Engine `mujoco`: MuJoCo on the CPU, all rows on a pool of threads."""

import warnings

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch
from torch import Tensor

from hoigym.motions.state import MotionState
from hoigym.sim.base import Flight, Simulator
from hoigym.sim.env_ids import Rows
from hoigym.sim.mujoco_layout import MAX_SPEED, MujocoLayout
from hoigym.sim.scene.scene import Scene

_NO_STAGE = int(mujoco.mjtStage.mjSTAGE_NONE.value)
_KEPT = ("body_force", "object_force", "ground_contact", "object_contact", "diverged")
_ALL = slice(None)


class MujocoSimulator(Simulator):
    """N independent worlds stepped by `mujoco.batch`; results do not depend on the number of threads."""

    def __init__(self, scene: Scene, num_envs: int, num_threads: int = 0):
        """num_threads: 0 takes every processor."""
        super().__init__(scene, num_envs, torch.device("cpu"))
        if mujoco.get_mju_user_warning() is None:
            # Warnings are read from the worlds' counters; MuJoCo would print each and write a log file.
            mujoco.set_mju_user_warning(lambda message: None)
        self._layout = MujocoLayout(scene, self.device)
        # After a step MuJoCo's body poses are one substep old. Own kinematics from the new coordinates cost far
        # less than MuJoCo's position and velocity stages, or than keeping the data of every world to go on from.
        self._batch = Batch(scene.model, num_envs, nthread=num_threads)
        self._fields = {name: _tensor_view(self._batch.bind(name)) for name in ("qpos", "qvel", "ctrl", "sensordata")}
        columns = scene.contacts
        self._columns = {
            name: torch.as_tensor(getattr(columns, name)) for name in ("force", "touches_ground", "touches_object")
        }

    def hold(self, joint_target: Tensor) -> None:
        self._fields["ctrl"].copy_(self._layout.controls(joint_target))
        self._layout.hold_parked(self._fields["qpos"], self._fields["qvel"])

    def advance(self) -> None:
        # MuJoCo clears a world's counters when it gives the world up: counts of earlier steps must not stay.
        self._batch.warning[:] = 0
        self._batch.step(nstep=self.scene.config.substeps)
        self._refresh(_ALL)
        self.state.diverged.copy_(self._diverged())

    def place(self, rows: Rows, start: MotionState) -> None:
        self._batch.reset(rows.index.numpy(), stage=_NO_STAGE)
        qpos, qvel = self._layout.pack(start)
        self._fields["qpos"][rows.index] = qpos.double()
        self._fields["qvel"][rows.index] = qvel.double()
        self._fields["ctrl"][rows.index] = self._layout.controls(start.joint_rot).double()

    def settle(self, rows: Rows) -> None:
        self._batch.forward(rows.index.numpy())
        self._refresh(rows.index)
        rows.write(self.state.diverged, self._diverged()[rows.index])  # a start may be bad itself

    def _launch_projectile(self, rows: Rows, box: Tensor, flight: Flight) -> None:
        self._layout.launch(self._fields["qpos"], self._fields["qvel"], rows, box, flight)

    def add_root_velocity(self, velocity: Tensor) -> None:
        self._fields["qvel"][:, :2] += velocity

    def generalized_positions(self) -> Tensor:
        return self._fields["qpos"].clone()

    def snapshot(self) -> dict[str, Tensor]:
        # Forces of the last substep and flags do not follow from positions and velocities.
        kept = {name: getattr(self.state, name).clone() for name in _KEPT}
        return {"state": torch.from_numpy(self._batch.state.copy()), **kept}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        self._batch.state[:] = snapshot["state"].numpy()
        self._refresh(_ALL)
        for name in _KEPT:
            getattr(self.state, name).copy_(snapshot[name])

    def _diverged(self) -> Tensor:
        """Worlds MuJoCo warned of (bad numbers, full buffers) or with a speed beyond reason or NaN, (N,)."""
        warned = torch.from_numpy((self._batch.warning[..., 1] > 0).any(axis=1))
        return warned | ~(self._fields["qvel"].abs().amax(dim=1) < MAX_SPEED)

    def _refresh(self, index: Tensor | slice) -> None:
        """Brings the rows index of the state up to date."""
        fields, bodies = self._fields, self.scene.skeleton.num_bodies
        fresh = self._layout.unpack(fields["qpos"][index], fields["qvel"][index])
        sensors = fields["sensordata"][index]
        forces = -sensors[:, self._columns["force"]]  # the sensor tells what the body exerts
        fresh |= {
            "body_force": forces[:, :bodies],
            "object_force": forces[:, bodies:],
            "ground_contact": sensors[:, self._columns["touches_ground"]] > 0,
            "object_contact": sensors[:, self._columns["touches_object"]] > 0,
        }
        for name, value in fresh.items():
            getattr(self.state, name)[index] = value.to(getattr(self.state, name).dtype)


def _tensor_view(array: np.ndarray) -> Tensor:
    """The array as a tensor on the same memory; the batch's outputs are read-only, which torch warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
