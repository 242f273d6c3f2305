"""A blow adds to the velocity of the body, in the state and in the engine, and leaves everything else alone."""

import pytest
import torch

from hoigym.envs.perturbation import push
from hoigym.sim.base import Simulator
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.projectiles import PARKED_ABOVE
from hoigym.sim.scene.scene import Scene
from tests.sim.starts import copy, put, standing
from tests.sim.test_projectiles import ROWS, launch, scene_with

MOVED = ("root_lin_vel", "body_lin_vel")


def make(engine: str, scene: Scene) -> Simulator:
    if engine == "mujoco":
        return MujocoSimulator(scene, ROWS, 1)
    from tests.sim import warp_sims

    return warp_sims.make(scene, ROWS)


@pytest.mark.parametrize("engine", ["mujoco", pytest.param("mujoco_warp", marks=pytest.mark.slow)])
def test_the_body_gains_speed_and_boxes_fly_on(engine: str) -> None:
    """Row 2 has diverged: it is left as it is."""
    scene = scene_with(2, weightless=True)
    sim = make(engine, scene)
    start = standing(scene, ROWS, height=20.0)
    put(sim, start)
    launch(sim, torch.tensor([[3.0, 0.0, 20.0]]).expand(ROWS, 3), (0.0, 5.0, 0.0), box=1)
    sim.step(start.joint_rot)
    sim.state.diverged[2] = True
    before, velocity = copy(sim.state), torch.tensor([[1.0, 0.0], [0.0, -2.0], [3.0, 3.0]])
    push(sim, velocity)
    after = copy(sim.state)
    for name in MOVED:
        gained = (after[name] - before[name]).view(ROWS, -1, 3)
        assert not gained[2].any()
        expected = torch.cat((velocity[:2], torch.zeros(2, 1)), dim=1)
        torch.testing.assert_close(gained[:2], expected[:, None].expand_as(gained[:2]))
    for name in before.keys() - {*MOVED}:
        assert torch.equal(after[name], before[name]), name
    assert (after["projectile_pos"][:, 1, 2] < PARKED_ABOVE).all()

    sim.restore(sim.snapshot())  # brings the state anew from what the engine holds
    for name in MOVED:
        torch.testing.assert_close(getattr(sim.state, name), after[name], atol=1e-5, rtol=0)
    sim.step(start.joint_rot)
    went = (sim.state.root_pos - after["root_pos"])[:2, :2] / sim.control_dt
    torch.testing.assert_close(went, velocity[:2], atol=0.05, rtol=0)
    flown = sim.state.projectile_pos[:, 1, 1] - after["projectile_pos"][:, 1, 1]
    torch.testing.assert_close(flown, torch.full((ROWS,), 5.0 * sim.control_dt), atol=1e-4, rtol=0)
