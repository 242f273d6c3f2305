"""Engine `mujoco_warp` for tests: on the CPU device everywhere, on a GPU too where there is one."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hoigym.motions.state import MotionState
from hoigym.sim.base import Simulator
from hoigym.sim.engines import WarpConfig
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.scene import Scene
from tests.sim.starts import copy

engine = pytest.importorskip(
    "hoigym.sim.mujoco_warp_engine", reason="needs mujoco-warp and warp-lang", exc_type=ImportError
)
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def make(scene: Scene, rows: int, device: str = "cpu", **settings: Any) -> Simulator:
    return engine.MujocoWarpSimulator(scene, rows, WarpConfig(device=device, **settings))


def put(sim: Simulator, start: MotionState, selected: list[int] | None = None) -> None:
    """Sets the selected rows (every row where left out) to their rows of start, which holds one for every row."""
    mask = torch.ones(sim.num_envs, dtype=torch.bool)
    if selected is not None:
        mask[:] = False
        mask[selected] = True
    rows = Rows.of(mask.to(sim.device))
    here = MotionState(**{name: value.to(sim.device) for name, value in copy(start).items()})
    sim.set_state(rows, here[rows.index])


def state(sim: Simulator) -> dict[str, Tensor]:
    """A copy of the state on the CPU."""
    return {name: value.cpu() for name, value in copy(sim.state).items()}


def step(sim: Simulator, target: Tensor) -> None:
    sim.step(target.to(sim.device))
