"""Physics engines behind one seam."""

from envs.scene.scene import Scene
from envs.sim.base import Simulator


def make_simulator(engine: str, scene: Scene, num_envs: int, threads: int = 0) -> Simulator:
    """The engine called engine, with num_envs rows of scene; threads (CPU engines): 0 takes every processor.

    Raises ValueError for an unknown engine. Engines are imported when asked for, so none needs another.
    """
    if engine == "mujoco":
        from envs.sim.mujoco_engine import MujocoSimulator

        return MujocoSimulator(scene, num_envs, threads)
    raise ValueError(f"no engine '{engine}'")
