"""Contact flags and forces in situations made by hand, and against MuJoCo's own contact list."""

import mujoco
import pytest
import torch
from torch import Tensor

from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.rotations import exp_to_quat, quat_rotate
from hoigym.motions.state import MotionState
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import BallConfig, SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.sim.starts import copy, put, random_targets, standing

BALLS = (BallConfig(), BallConfig(name="second", radius=0.1))
WEIGHT = 66.590 * 9.81  # [N]
BALL_WEIGHT = 7.238 * 9.81


@pytest.fixture(scope="module")
def sim() -> MujocoSimulator:
    return MujocoSimulator(build_scene(SceneConfig(objects=BALLS)), 1, num_threads=1)


def touching_bodies(sim: MujocoSimulator, item: int = 0) -> set[str]:
    flags = sim.state.object_contact[0, :, item]
    return {sim.scene.skeleton.body_names[body] for body in flags.nonzero()[:, 0]}


def grounded_bodies(sim: MujocoSimulator) -> set[str]:
    return {sim.scene.skeleton.body_names[body] for body in sim.state.ground_contact[0].nonzero()[:, 0]}


def beside(sim: MujocoSimulator, start: MotionState, body: str, direction: tuple[float, float, float]) -> Tensor:
    """Centre of the ball pressed 5 mm into the middle of a body's capsule from a world direction."""
    skeleton = sim.scene.skeleton
    index = skeleton.index(body)
    pos, quat = forward_kinematics(skeleton, start.root_pos[0], start.root_quat[0], start.joint_rot[0])
    shape = skeleton.bodies[index].shape
    assert shape.fromto is not None
    middle = (torch.tensor(shape.fromto[:3]) + torch.tensor(shape.fromto[3:])) / 2
    reach = BALLS[0].radius + shape.size[0] - 0.005
    return pos[index] + quat_rotate(quat[index], middle) + reach * torch.tensor(direction)


def test_standing_humanoid_presses_its_weight_on_the_floor(sim: MujocoSimulator) -> None:
    start = standing(sim.scene, 1)
    put(sim, start)
    for _ in range(60):
        sim.step(start.joint_rot)
    force = sim.state.body_force[0].sum(0)
    assert force[2] == pytest.approx(WEIGHT, rel=2e-3)
    assert force[:2].abs().max() < 0.01 * WEIGHT
    assert grounded_bodies(sim) == {"L_Ankle", "L_Toe", "R_Ankle", "R_Toe"}
    held_up = {sim.scene.skeleton.body_names[body] for body in sim.state.body_force[0].any(-1).nonzero()[:, 0]}
    assert held_up == grounded_bodies(sim)
    assert not sim.state.object_contact.any()


def test_resting_ball_is_pushed_up_with_its_weight(sim: MujocoSimulator) -> None:
    start = standing(sim.scene, 1)
    put(sim, start)
    for _ in range(120):
        sim.step(start.joint_rot)
    expected = torch.tensor([[0, 0, BALL_WEIGHT], [0, 0, BALL_WEIGHT * (0.1 / 0.12) ** 3]])
    torch.testing.assert_close(sim.state.object_force[0], expected, rtol=0, atol=0.1)
    assert not sim.state.object_contact.any()


def test_bouncing_ball_touches_no_body(sim: MujocoSimulator) -> None:
    start = standing(sim.scene, 1)
    start.object_pos[0, 0] = torch.tensor([1.5, 0, 0.6])
    put(sim, start)
    heaviest = 0.0
    for _ in range(60):
        sim.step(start.joint_rot)
        heaviest = max(heaviest, float(sim.state.object_force[0, 0, 2]))
        assert sim.state.object_force[0, 0, :2].abs().max() < 1e-3
        assert not sim.state.object_contact.any()
    assert heaviest > 10 * BALL_WEIGHT


@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0)])
@pytest.mark.parametrize("body", ["L_Knee", "L_Hip"])
def test_ball_at_a_leg(sim: MujocoSimulator, body: str, direction: tuple[float, float, float]) -> None:
    start = standing(sim.scene, 1)
    start.object_pos[0, 0] = beside(sim, start, body, direction)
    put(sim, start)
    assert touching_bodies(sim) == {body}
    assert touching_bodies(sim, item=1) == set()
    assert body not in grounded_bodies(sim)
    push = torch.tensor(direction)
    assert sim.state.object_force[0, 0] @ push > 10  # away from the leg
    pressed = sim.state.body_force[0, sim.scene.skeleton.index(body)]
    torch.testing.assert_close(pressed, -sim.state.object_force[0, 0], rtol=0, atol=1e-3)


def test_ball_on_a_raised_hand(sim: MujocoSimulator) -> None:
    """The ball lies on the stretched right arm's middle finger: only finger bodies touch it."""
    start = standing(sim.scene, 1)
    start.object_pos[0, 0] = beside(sim, start, "R_Middle2", (0.0, 0.0, 1.0))
    put(sim, start)
    touched = touching_bodies(sim)
    assert "R_Middle2" in touched
    assert touched <= {name for name in sim.scene.skeleton.body_names if name.startswith("R_")}
    assert touched <= {sim.scene.skeleton.body_names[body] for body in sim.scene.skeleton.hands}
    total = sim.state.body_force[0].sum(0) - sim.state.body_force[0, sim.state.ground_contact[0]].sum(0)
    torch.testing.assert_close(total, -sim.state.object_force[0, 0], rtol=0, atol=1e-3)


def test_lying_humanoid_with_the_ball_on_its_thigh(sim: MujocoSimulator) -> None:
    start = standing(sim.scene, 1, height=0.12)
    start.root_quat[0] = torch.tensor([1.0, 0, 0, 0])  # y-up at rest, so this is flat on its back
    start.object_pos[0, 0] = beside(sim, start, "R_Hip", (0.0, 0.0, 1.0))
    put(sim, start)
    assert touching_bodies(sim) == {"R_Hip"}
    for _ in range(30):
        sim.step(start.joint_rot)
    assert {"Pelvis", "L_Toe"} & grounded_bodies(sim)
    assert not {"L_Wrist", "Neck"} & touching_bodies(sim)


def test_ball_leaning_on_a_shin_touches_floor_and_shin(sim: MujocoSimulator) -> None:
    start = standing(sim.scene, 1)
    spot = beside(sim, start, "L_Knee", (1.0, 0.0, 0.0))
    start.object_pos[0, 0] = torch.tensor([spot[0], spot[1], 0.119])
    put(sim, start)
    assert touching_bodies(sim) & {"L_Knee", "L_Ankle"}
    assert sim.state.object_force[0, 0, 2] > 1


def test_balls_touching_each_other_touch_no_body(sim: MujocoSimulator) -> None:
    start = standing(sim.scene, 1)
    start.object_pos[0, 0] = torch.tensor([3.0, 0.0, 1.0])
    start.object_pos[0, 1] = torch.tensor([3.2, 0.0, 1.0])
    put(sim, start)
    assert not sim.state.object_contact.any()
    assert sim.state.object_force[0, 0, 0] < -1
    torch.testing.assert_close(sim.state.object_force[0, 0], -sim.state.object_force[0, 1], rtol=0, atol=1e-3)


def test_contacts_are_fresh_after_set_state(sim: MujocoSimulator) -> None:
    start = standing(sim.scene, 1)
    start.object_pos[0, 0] = beside(sim, start, "L_Knee", (1.0, 0.0, 0.0))
    put(sim, start)
    sim.step(start.joint_rot)
    assert sim.state.object_contact.any()
    high = standing(sim.scene, 1, height=3.0)
    high.object_pos[..., 2] = 3.0
    put(sim, high)
    for name in ("object_contact", "ground_contact", "body_force", "object_force"):
        assert not getattr(sim.state, name).any(), name


def test_drives_hold_the_pose_that_is_set(sim: MujocoSimulator) -> None:
    """Arms set down press no more on the floor than arms stretched out: no drive pulls them back up."""
    start = standing(sim.scene, 1)
    for side, angle in (("L", -1.2), ("R", 1.2)):
        start.joint_rot[0, sim.scene.skeleton.index(f"{side}_Shoulder") - 1, 2] = angle
    put(sim, start)
    assert 0.5 * WEIGHT < sim.state.body_force[0, :, 2].sum() < 2 * WEIGHT


@pytest.mark.parametrize("self_collision", [False, True])
def test_flags_equal_the_contact_list(self_collision: bool) -> None:
    """Flailing on the floor under balls: the flags are MuJoCo's contacts of the last substep, pair by pair."""
    rows = 4
    scene = build_scene(
        SceneConfig(objects=BALLS, hands="locked", self_collision=self_collision, physics_hz=120, control_hz=120)
    )
    sim = MujocoSimulator(scene, rows, num_threads=1)
    start = standing(scene, rows, height=0.5)
    start.root_quat[:] = exp_to_quat(torch.randn(rows, 3, generator=torch.Generator().manual_seed(0)))
    start.object_pos[:, 0] = torch.tensor([0.1, 0.2, 1.0])
    start.object_pos[:, 1] = torch.tensor([-0.1, 0.1, 1.0])
    put(sim, start)
    data = mujoco.MjData(scene.model)
    seen = {"ground_contact": 0, "object_contact": 0}
    for target in random_targets(scene, rows, 40, amplitude=0.4):
        substep_start = sim.generalized_positions()
        sim.step(target)
        for row in range(rows):
            data.qpos[:] = substep_start[row]
            mujoco.mj_fwdPosition(scene.model, data)
            pairs = {frozenset(pair) for pair in scene.model.geom_bodyid[data.contact.geom].tolist()}
            on_ground = [frozenset((0, body)) in pairs for body in scene.body_ids]
            at_object = [[frozenset((body, item)) in pairs for item in scene.object_ids] for body in scene.body_ids]
            assert sim.state.ground_contact[row].tolist() == on_ground
            assert sim.state.object_contact[row].tolist() == at_object
        seen = {name: count + int(getattr(sim.state, name).sum()) for name, count in seen.items()}
    assert min(seen.values()) > 10


def test_inner_forces_cancel() -> None:
    """Two bodies in self-contact are pushed apart by equal and opposite forces."""
    scene = build_scene(SceneConfig(hands="locked", self_collision=True))
    sim = MujocoSimulator(scene, 1, num_threads=1)
    start = standing(scene, 1, height=3.0)
    for side, angle in (("L", -0.3), ("R", 0.3)):
        start.joint_rot[0, scene.skeleton.index(f"{side}_Hip") - 1, 2] = angle
    put(sim, start)
    assert sim.state.body_force.abs().max() > 10
    assert sim.state.body_force.sum(1).abs().max() < 1e-2
    assert not sim.state.ground_contact.any()
    assert not any(value.any() for name, value in copy(sim.state).items() if name == "object_contact")
