"""What is set is read back, and the derived state belongs to it."""

from typing import Literal

import pytest
import torch

from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.rotations import quat_rotate_inverse
from hoigym.sim.env_ids import Rows
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import BallConfig, SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.sim.starts import assert_same, copy, pick, put, random_start, random_targets, standing

ROWS = 4
TWO_BALLS = (BallConfig(), BallConfig(name="second", radius=0.1))


def make(hands: Literal["full", "locked"], skeleton: Literal["mocap", "parahome"] = "mocap") -> MujocoSimulator:
    pose = torch.randn(52 if skeleton == "mocap" else 60, 3, generator=torch.Generator().manual_seed(9)) * 0.3
    scene = build_scene(SceneConfig(skeleton=skeleton, hands=hands, objects=TWO_BALLS), locked_pose=pose.numpy())
    return MujocoSimulator(scene, ROWS, num_threads=1)


@pytest.fixture(scope="module", params=["full", "locked"])
def sim(request: pytest.FixtureRequest) -> MujocoSimulator:
    return make(request.param)


def test_state_is_read_back(sim: MujocoSimulator) -> None:
    start = random_start(sim.scene, ROWS)
    put(sim, start)
    for name, value in copy(start).items():
        difference = (getattr(sim.state, name) - value).abs().max()
        assert difference <= 1e-6 * max(1.0, value.abs().max()), name
    assert not sim.state.diverged.any()


def test_parahome_state_is_read_back() -> None:
    sim = make("full", "parahome")
    start = random_start(sim.scene, ROWS)
    put(sim, start)
    torch.testing.assert_close(sim.state.joint_rot, start.joint_rot, rtol=0, atol=2e-6)
    torch.testing.assert_close(sim.state.joint_vel, start.joint_vel, rtol=0, atol=1e-6)
    assert sim.state.body_pos.shape == (ROWS, 61, 3)


def test_bodies_are_fresh_after_set_state(sim: MujocoSimulator) -> None:
    start = random_start(sim.scene, ROWS, seed=1)
    put(sim, start)
    pos, quat = forward_kinematics(sim.scene.skeleton, start.root_pos, start.root_quat, start.joint_rot)
    torch.testing.assert_close(sim.state.body_pos, pos, rtol=0, atol=1e-5)
    sign = torch.sign((sim.state.body_quat * quat).sum(-1, keepdim=True))
    torch.testing.assert_close(sim.state.body_quat * sign, quat, rtol=0, atol=1e-5)
    torch.testing.assert_close(sim.state.body_lin_vel[:, 0], start.root_lin_vel, rtol=0, atol=1e-5)
    torch.testing.assert_close(sim.state.body_ang_vel[:, 0], start.root_ang_vel, rtol=0, atol=1e-5)


def test_bodies_are_fresh_after_step(sim: MujocoSimulator) -> None:
    put(sim, random_start(sim.scene, ROWS, seed=2))
    for target in random_targets(sim.scene, ROWS, 5):
        sim.step(target)
        state = sim.state
        pos, _ = forward_kinematics(sim.scene.skeleton, state.root_pos, state.root_quat, state.joint_rot)
        torch.testing.assert_close(state.body_pos, pos, rtol=0, atol=1e-5)
        torch.testing.assert_close(state.body_lin_vel[:, 0], state.root_lin_vel, rtol=0, atol=1e-4)
        torch.testing.assert_close(state.body_ang_vel[:, 0], state.root_ang_vel, rtol=0, atol=1e-4)


def test_joint_velocity_is_that_of_the_child_against_its_parent_in_the_child_frame(
    sim: MujocoSimulator,
) -> None:
    put(sim, random_start(sim.scene, ROWS, seed=3))
    state = sim.state
    parents = list(sim.scene.skeleton.parents[1:])
    relative = state.body_ang_vel[:, 1:] - state.body_ang_vel[:, parents]
    in_child = quat_rotate_inverse(state.body_quat[:, 1:], relative)
    torch.testing.assert_close(in_child, state.joint_vel, rtol=0, atol=1e-5)


def test_a_subset_leaves_the_other_rows_as_they_were(sim: MujocoSimulator) -> None:
    put(sim, standing(sim.scene, ROWS))
    for target in random_targets(sim.scene, ROWS, 5):
        sim.step(target)
    before, new = copy(sim.state), random_start(sim.scene, ROWS, seed=4)
    sim.set_state(Rows.of(torch.tensor([False, True, False, True])), pick(new, [1, 3]))
    assert_same(before, copy(sim.state), rows=[0, 2])
    torch.testing.assert_close(sim.state.root_pos[[1, 3]], new.root_pos[[1, 3]])


def test_setting_no_row_changes_nothing(sim: MujocoSimulator) -> None:
    before, start = copy(sim.state), standing(sim.scene, ROWS)
    sim.set_state(Rows.of(torch.zeros(ROWS, dtype=torch.bool)), pick(start, []))
    assert_same(before, copy(sim.state))


def test_a_reset_row_forgets_its_past(sim: MujocoSimulator) -> None:
    """Rows set to one state run alike whatever they did before (no left-over warm start or force)."""
    put(sim, random_start(sim.scene, ROWS, seed=5))
    for target in random_targets(sim.scene, ROWS, 20):
        sim.step(target)
    put(sim, standing(sim.scene, ROWS))
    for target in random_targets(sim.scene, 1, 10):
        sim.step(target.expand(ROWS, -1, -1))
        state = copy(sim.state)
        for row in range(1, ROWS):
            assert all(torch.equal(value[0], value[row]) for value in state.values())


def test_state_tensors_are_updated_in_place(sim: MujocoSimulator) -> None:
    addresses = {name: getattr(sim.state, name).data_ptr() for name in copy(sim.state)}
    put(sim, standing(sim.scene, ROWS))
    sim.step(random_targets(sim.scene, ROWS, 1)[0])
    assert addresses == {name: getattr(sim.state, name).data_ptr() for name in addresses}


def test_positions_for_drawing(sim: MujocoSimulator) -> None:
    put(sim, standing(sim.scene, ROWS))
    qpos = sim.generalized_positions()
    assert qpos.shape == (ROWS, sim.scene.model.nq)
    torch.testing.assert_close(qpos[:, :3].float(), sim.state.root_pos)
    sim.step(random_targets(sim.scene, ROWS, 1)[0])
    assert not torch.equal(qpos, sim.generalized_positions())  # a copy, not a view
