"""A blow to the whole body."""

import dataclasses

import torch

from envs.sim.base import Simulator
from envs.sim.rows import Rows
from motions.state import MotionState


def push(sim: Simulator, velocity: torch.Tensor) -> None:
    """Adds velocity (N, 2) [m/s] over the ground to the roots of all rows that have not diverged.

    The body moves on as one; the objects are not pushed.
    """
    names = [field.name for field in dataclasses.fields(MotionState)]
    values = {name: getattr(sim.state, name).clone() for name in names}
    values["root_lin_vel"][:, :2] += velocity
    rows = Rows.of(~sim.state.diverged)
    sim.set_state(rows, MotionState(**values)[rows.index])
