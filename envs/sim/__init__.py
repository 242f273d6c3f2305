"""Physics engines behind one seam."""

import torch

from envs.scene.scene import Scene
from envs.sim.base import Simulator
from envs.sim.warp_config import WarpConfig, torch_device
from motions.errors import UserError


def engine_device(engine: str, warp: WarpConfig) -> torch.device:
    """Where the tensors of that engine live. Raises UserError where the device is not there."""
    return torch_device(warp) if engine == "mujoco_warp" else torch.device("cpu")


def make_simulator(
    engine: str, scene: Scene, num_envs: int, threads: int = 0, warp: WarpConfig | None = None
) -> Simulator:
    """The engine called engine, with num_envs rows of scene.

    threads (`mujoco`): 0 takes every processor. warp (`mujoco_warp`): its settings. Raises ValueError for an
    unknown engine, UserError for one that cannot run here. Engines are imported when asked for, so none needs
    another.
    """
    if engine == "mujoco":
        from envs.sim.mujoco_engine import MujocoSimulator

        return MujocoSimulator(scene, num_envs, threads)
    if engine == "mujoco_warp":
        try:
            from envs.sim.mujoco_warp_engine import MujocoWarpSimulator
        except ModuleNotFoundError as error:
            raise UserError(f"engine mujoco_warp needs {error.name}: pip install -e '.[gpu]'") from None

        return MujocoWarpSimulator(scene, num_envs, warp or WarpConfig())
    raise ValueError(f"no engine '{engine}'")
