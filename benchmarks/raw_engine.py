"""The engines without an environment around them."""

from collections.abc import Callable
from typing import Any, Protocol, cast

from torch import Tensor

from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.sim.mujoco_layout import MujocoLayout


class RawEngine(Protocol):
    """Physics alone, put into states that an environment passed through."""

    def load(self, snapshot: dict[str, Tensor], joint_target: Tensor) -> None:
        """Takes a state of the simulation, and the drive targets (N, J, 3) of the step that began there."""
        ...

    def step(self) -> None:
        """All substeps of one control step, and nothing else."""
        ...


def raw_engine(env: HOIVectorEnv) -> RawEngine:
    """The bare engine of an environment: same model, same number of rows and threads."""
    return {"mujoco": _Batch, "mujoco_warp": _Graph}[env.config.engine](env)


class _Batch:
    """`mujoco.batch` by itself."""

    def __init__(self, env: HOIVectorEnv) -> None:
        from mujoco.batch import Batch

        self._batch = Batch(env.scene.model, env.num_envs, nthread=env.config.threads)
        self._layout = MujocoLayout(env.scene, env.device)
        self._substeps = env.config.scene.substeps

    def load(self, snapshot: dict[str, Tensor], joint_target: Tensor) -> None:
        self._batch.state[:] = snapshot["state"].numpy()
        self._batch.ctrl = self._layout.controls(joint_target).double().numpy()

    def step(self) -> None:
        self._batch.step(nstep=self._substeps)


class _Graph:
    """The same MuJoCo-Warp model and data, with the substeps in a graph of their own: a CUDA graph on a GPU.

    It moves the worlds of the environment, which must be restored afterwards.
    """

    def __init__(self, env: HOIVectorEnv) -> None:
        self._sim = cast(Any, env.sim)
        self._physics: Callable[[], None] = self._sim.capture_physics()

    def load(self, snapshot: dict[str, Tensor], joint_target: Tensor) -> None:
        self._sim.restore(snapshot)
        self._sim.hold(joint_target)

    def step(self) -> None:
        self._physics()
