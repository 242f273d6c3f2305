"""Physics engines behind one seam: their names, settings and devices."""

from dataclasses import dataclass

import torch

from hoigym.core.errors import UserError
from hoigym.sim.base import Simulator
from hoigym.sim.scene.scene import Scene


@dataclass(frozen=True)
class WarpConfig:
    """How engine `mujoco_warp` runs; other engines take no notice."""

    device: str = "cuda"
    """Torch device; cpu runs the same code, slowly, for tests."""
    nconmax: int = 64
    """Room for contacts per row; all rows share it."""
    njmax: int = 256
    """Room for constraints in each row, four for a contact."""
    solver_iterations: int = 10
    """Most iterations, in place of the scene's; a row stops when it has converged, mostly after two. With 6, a
    third of the starts with the hand in the ball are cut short, by up to 0.02 rad and 8 mm in their first step;
    10 cut none of them."""
    linesearch_iterations: int = 8
    graphs: bool = True
    """On a GPU, also what surrounds the engine's part of a step is replayed as CUDA graphs; off, its kernels are
    launched one by one."""

    def __post_init__(self) -> None:
        """Raises UserError for an impossible value."""
        for name in ("nconmax", "njmax", "solver_iterations", "linesearch_iterations"):
            if getattr(self, name) < 1:
                raise UserError(f"warp.{name} {getattr(self, name)}: expected 1 or more")


def torch_device(config: WarpConfig) -> torch.device:
    """The device of config, with its number. Raises UserError where it is not there."""
    try:
        device = torch.device(config.device)
    except RuntimeError:
        raise UserError(f"warp.device: '{config.device}' is no torch device; take cuda or cuda:1") from None
    if device.type == "cpu":
        return device
    if device.type == "cuda" and torch.cuda.is_available():
        number = torch.cuda.current_device() if device.index is None else device.index
        if number < torch.cuda.device_count():
            return torch.device("cuda", number)
    raise UserError(f"warp.device: '{config.device}' is not usable here; engine mujoco runs without a GPU")


# --- Physics engines behind one seam --------------------------------------------------------------------------------


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
        from hoigym.sim.mujoco_engine import MujocoSimulator

        return MujocoSimulator(scene, num_envs, threads)
    if engine == "mujoco_warp":
        try:
            from hoigym.sim.mujoco_warp_engine import MujocoWarpSimulator
        except ModuleNotFoundError as error:
            raise UserError(f"engine mujoco_warp needs {error.name}: pip install -e '.[gpu]'") from None

        return MujocoWarpSimulator(scene, num_envs, warp or WarpConfig())
    raise ValueError(f"no engine '{engine}'")
