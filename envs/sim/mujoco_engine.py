"""Engine `mujoco`: MuJoCo on the CPU, all rows on a pool of threads."""

import warnings

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch
from torch import Tensor

from envs.scene.scene import Scene
from envs.sim.base import Simulator
from envs.sim.mujoco_layout import MAX_SPEED, MujocoLayout
from envs.sim.rows import Rows
from motions.state import MotionState

_VELOCITY_STAGE = int(mujoco.mjtStage.mjSTAGE_VEL.value)
_NO_STAGE = int(mujoco.mjtStage.mjSTAGE_NONE.value)
_KEPT = ("body_force", "object_force", "diverged")


class MujocoSimulator(Simulator):
    """N independent worlds stepped by `mujoco.batch`; results do not depend on the number of threads."""

    def __init__(self, scene: Scene, num_envs: int, num_threads: int = 0):
        """num_threads: 0 takes every processor."""
        super().__init__(scene, num_envs, torch.device("cpu"))
        if mujoco.get_mju_user_warning() is None:
            # Warnings are read from the worlds' counters; MuJoCo would print each and write a log file.
            mujoco.set_mju_user_warning(lambda message: None)
        self._layout = MujocoLayout(scene, self.device)
        # Persistent worlds carry the position and velocity stages over from one step to the next, so that
        # fresh body poses after a step cost nothing.
        self._batch = Batch(scene.model, num_envs, nthread=num_threads, persistent=True)
        self._fields = {
            name: _tensor_view(self._batch.bind(name))
            for name in ("qpos", "qvel", "ctrl", "xpos", "xquat", "cvel", "subtree_com", "sensordata")
        }
        columns = scene.contacts
        self._columns = {
            name: torch.as_tensor(getattr(columns, name)) for name in ("force", "touches_ground", "touches_object")
        }

    def step(self, joint_target: Tensor) -> None:
        self._fields["ctrl"].copy_(self._layout.controls(joint_target))
        # MuJoCo clears a world's counters when it gives the world up: counts of earlier steps must not stay.
        self._batch.warning[:] = 0
        self._batch.step(nstep=self.scene.config.substeps, stage=_VELOCITY_STAGE)
        self._refresh()
        self.state.diverged.copy_(self._diverged())

    def set_state(self, rows: Rows, start: MotionState) -> None:
        if len(rows) == 0:
            return
        ids = rows.index.numpy()
        self._batch.reset(ids, stage=_NO_STAGE)
        qpos, qvel = self._layout.pack(start)
        self._fields["qpos"][rows.index] = qpos.double()
        self._fields["qvel"][rows.index] = qvel.double()
        self._fields["ctrl"][rows.index] = self._layout.controls(start.joint_rot).double()
        self._batch.forward(ids)
        self._refresh()
        rows.write(self.state.diverged, self._diverged()[rows.index])  # a start may be bad itself

    def generalized_positions(self) -> Tensor:
        return self._fields["qpos"].clone()

    def snapshot(self) -> dict[str, Tensor]:
        # Forces of the last substep and flags do not follow from positions and velocities.
        kept = {name: getattr(self.state, name).clone() for name in _KEPT}
        return {"state": torch.from_numpy(self._batch.state.copy()), **kept}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        self._batch.state[:] = snapshot["state"].numpy()
        self._batch.forward(stage=_VELOCITY_STAGE)
        self._refresh()
        for name in _KEPT:
            getattr(self.state, name).copy_(snapshot[name])

    def _diverged(self) -> Tensor:
        """Worlds MuJoCo warned of (bad numbers, full buffers) or with a speed beyond reason or NaN, (N,)."""
        warned = torch.from_numpy((self._batch.warning[..., 1] > 0).any(axis=1))
        return warned | ~(self._fields["qvel"].abs().amax(dim=1) < MAX_SPEED)

    def _refresh(self) -> None:
        fields, state = self._fields, self.state
        self._layout.unpack(fields["qpos"], fields["qvel"], state)
        self._layout.unpack_bodies(fields["xpos"], fields["xquat"], fields["cvel"], fields["subtree_com"], state)
        sensors, bodies = fields["sensordata"], self.scene.skeleton.num_bodies
        forces = -sensors[:, self._columns["force"]]  # the sensor tells what the body exerts
        state.body_force.copy_(forces[:, :bodies])
        state.object_force.copy_(forces[:, bodies:])
        state.ground_contact.copy_(sensors[:, self._columns["touches_ground"]] > 0)
        state.object_contact.copy_(sensors[:, self._columns["touches_object"]] > 0)


def _tensor_view(array: np.ndarray) -> Tensor:
    """The array as a tensor on the same memory; the batch's outputs are read-only, which torch warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
