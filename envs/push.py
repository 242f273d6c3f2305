"""A blow to the whole body."""

from torch import Tensor

from envs.sim.base import Simulator


def push(sim: Simulator, velocity: Tensor) -> None:
    """Adds velocity (N, 2) [m/s] over the ground to the roots of all rows that have not diverged.

    The body moves on as one; nothing else changes: objects are not pushed, and boxes fly on.
    """
    gain = velocity.masked_fill(sim.state.diverged[:, None], 0.0)
    sim.state.root_lin_vel[:, :2] += gain
    sim.state.body_lin_vel[..., :2] += gain[:, None]
    sim.add_root_velocity(gain)
