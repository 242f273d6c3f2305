"""What engine `mujoco_warp` needs to start: options, views and tables."""

import copy
import sys
from pathlib import Path

import mujoco
import numpy as np
import torch
import warp as wp
from torch import Tensor

from envs.scene.scene import Scene
from envs.sim import warp_kernels as kernels
from envs.sim.warp_config import WarpConfig


def start_warp(quiet: bool) -> None:
    wp.config.log_level = max(wp.config.log_level, wp.LOG_ERROR if quiet else wp.LOG_WARNING)
    wp.init()


def announce_compilation(device: wp.Device) -> None:
    """Says why nothing happens for a minute, where no earlier run has left compiled kernels for this device."""
    compiled = "*.cpu*.o" if device.is_cpu else f"*.sm{device.arch}*"
    if not any(Path(wp.config.kernel_cache_dir or "").glob(f"wp_mujoco_warp*/{compiled}")):
        print("engine mujoco_warp: compiling kernels, about a minute, only once", file=sys.stderr, flush=True)


def warp_options(model: mujoco.MjModel, config: WarpConfig) -> mujoco.MjModel:
    model = copy.copy(model)
    model.opt.jacobian = mujoco.mjtJacobian.mjJAC_SPARSE  # dense is refused above 60 degrees of freedom
    model.opt.iterations = config.solver_iterations
    model.opt.ls_iterations = config.linesearch_iterations
    # Contacts are read from the contact list, not by the hundreds of sensors that the CPU engine uses.
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_SENSOR
    # Here this bit only says how boxes meet boxes: as in MuJoCo, and not by general convex collision, which
    # finds other contacts where feet overlap.
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
    return model


def slot_of_geom(scene: Scene) -> np.ndarray:
    """Contact slot of every geom, as in `warp_kernels.GROUND`."""
    slot_of_body = np.full(scene.model.nbody, kernels.UNTRACKED)
    slot_of_body[0] = kernels.GROUND
    tracked = np.concatenate((scene.body_ids, scene.object_ids))
    slot_of_body[tracked] = np.arange(len(tracked))
    return slot_of_body[scene.model.geom_bodyid]


def as_array(tensor: Tensor) -> wp.array:
    """A state tensor as an array of vectors or quaternions; a root's gets an axis for its one body."""
    if tensor.dtype == torch.bool:
        return wp.from_torch(tensor)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(1)
    return wp.from_torch(tensor, dtype=wp.vec3 if tensor.shape[-1] == 3 else wp.quat)
