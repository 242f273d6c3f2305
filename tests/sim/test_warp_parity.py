"""Engine `mujoco_warp` does what engine `mujoco` does, up to float32."""

from typing import Literal

import mujoco
import pytest
import torch
from torch import Tensor

from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary
from hoigym.motions.state import MotionState
from hoigym.sim.base import Simulator
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import BallConfig, SceneConfig
from hoigym.sim.scene.scene import Scene, build_scene
from tests.conftest import SHARED
from tests.sim import starts
from tests.sim.starts import random_targets, standing
from tests.sim.test_restitution import HEIGHTS, restitution
from tests.sim.warp_sims import DEVICES, make, put, state, step

Hands = Literal["full", "locked"]
STATES = 100
# Kernels are compiled for half a minute on a fresh machine.
pytestmark = pytest.mark.slow
DRIVE_LAG = 0.1  # [s] by which the drives of all joints follow their target


@pytest.fixture(scope="module")
def library() -> MotionLibrary:
    """Published ball play where it is there, else the bundled clips with a ball."""
    published = SHARED / "motions" / "BallPlay"
    clips = load_clips(published if published.is_dir() else CLIP_DIR)
    return MotionLibrary([clip for clip in clips if clip.skill not in (0, 10)])


@pytest.fixture(scope="module")
def frames(library: MotionLibrary) -> Tensor:
    """Frames drawn from all clips, but for those where the ball just touches the floor: whether it does is a
    matter of the last bit, in which the engines differ."""
    inner = torch.ones(library.num_frames, dtype=torch.bool)
    for first, length in zip(library.clip_start, library.clip_length, strict=True):
        inner[first : first + 2] = inner[first + length - 1] = False
    lowest = library.reference(torch.arange(library.num_frames)).object_pos[:, 0, 2] - BallConfig().radius
    usable = (inner & library.valid & (lowest.abs() > 1e-5)).nonzero()[:, 0]
    return usable[torch.randperm(len(usable), generator=torch.Generator().manual_seed(0))[:STATES]]


def worst(sim: Simulator, expected: Simulator, names: list[str]) -> float:
    """Greatest difference of these quantities."""
    ours, theirs = state(sim), state(expected)
    return max(float((ours[name] - theirs[name]).abs().max()) for name in names)


def assert_same_contacts(sim: Simulator, expected: Simulator) -> None:
    ours, theirs = state(sim), state(expected)
    for name in ("ground_contact", "object_contact"):
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("hands", ["locked", "full"])
def test_one_step_from_reference_states(library: MotionLibrary, frames: Tensor, hands: Hands, device: str) -> None:
    now, ahead = library.reference(frames), library.reference(frames + 1)
    scene = build_scene(SceneConfig(hands=hands), locked_pose=now.joint_rot.mean(0).numpy())
    sim, expected = make(scene, STATES, device), MujocoSimulator(scene, STATES)
    put(sim, MotionState.of(now))
    starts.put(expected, MotionState.of(now))
    assert worst(sim, expected, ["root_pos", "root_quat", "joint_rot", "joint_vel", "object_pos"]) < 1e-6
    assert worst(sim, expected, ["body_pos", "body_quat", "body_lin_vel", "body_ang_vel"]) < 1e-4
    assert_same_contacts(sim, expected)

    target = ahead.joint_rot + DRIVE_LAG * ahead.joint_vel
    step(sim, target)
    expected.step(target)
    assert worst(sim, expected, ["root_pos", "root_quat", "joint_rot", "body_pos", "body_quat"]) < 1e-5
    assert worst(sim, expected, ["object_pos", "object_quat"]) < 1e-5
    assert worst(sim, expected, ["root_lin_vel", "root_ang_vel", "body_lin_vel", "body_ang_vel"]) < 1e-3
    assert worst(sim, expected, ["joint_vel", "object_lin_vel", "object_ang_vel"]) < 1e-3
    assert worst(sim, expected, ["body_force", "object_force"]) < 0.5  # [N], of up to 3000
    assert_same_contacts(sim, expected)
    assert expected.state.object_contact.any(1).sum() > 10  # there was something to get wrong
    assert expected.state.body_force.amax() > 100
    assert not sim.state.diverged.any()
    assert not any(sim.counters[name] for name in ("full_contacts", "full_constraints", "solver_limit"))


def both(device: str) -> tuple[Simulator, MujocoSimulator]:
    scene = build_scene(SceneConfig(hands="locked"))
    return make(scene, 4, device), MujocoSimulator(scene, 4)


def held(scene: Scene) -> MotionState:
    """Standing, the ball at rest in the floor as deep as it lies."""
    start = standing(scene, 4)
    start.object_pos[:, :, 2] -= 0.002
    return start


@pytest.mark.parametrize("device", DEVICES)
def test_sixty_steps_of_a_quiet_start(device: str) -> None:
    sim, expected = both(device)
    start = held(sim.scene)
    put(sim, start)
    starts.put(expected, start)
    for _ in range(60):
        step(sim, start.joint_rot)
        expected.step(start.joint_rot)
        assert worst(sim, expected, ["joint_rot", "body_pos", "object_pos"]) < 1e-5
        assert worst(sim, expected, ["body_force", "object_force"]) < 1.0
        assert_same_contacts(sim, expected)
    assert state(sim)["body_force"].sum(1)[:, 2] == pytest.approx(66.59 * 9.81, rel=2e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_sixty_steps_of_flailing_stay_close(device: str) -> None:
    """Feet slip and a ball hits the body; small differences grow, but slowly."""
    sim, expected = both(device)
    start = held(sim.scene)
    start.object_pos[:, 0] = torch.tensor([0.2, 1.0, 1.2])
    start.object_lin_vel[:, 0, 1] = torch.linspace(-4, -1, 4)
    put(sim, start)
    starts.put(expected, start)
    touched = False
    for target in random_targets(sim.scene, 4, 60, amplitude=0.2):
        step(sim, target)
        expected.step(target)
        touched |= bool(expected.state.object_contact.any())
        assert worst(sim, expected, ["joint_rot", "body_pos", "object_pos"]) < 1e-3
    assert touched


def test_feet_that_overlap_part_alike() -> None:
    """Boxes of the two feet, which two collision routines would part in different ways."""
    scene = build_scene(SceneConfig(hands="locked", self_collision=True))
    sim, expected = make(scene, 16), MujocoSimulator(scene, 16)
    start, generator = standing(scene, 16, height=3.0), torch.Generator().manual_seed(0)
    for side, sign in (("L", -1), ("R", 1)):
        hip, ankle = (scene.skeleton.index(f"{side}_{name}") - 1 for name in ("Hip", "Ankle"))
        start.joint_rot[:, hip, 2] = sign * (0.12 + 0.06 * torch.rand(16, generator=generator))
        start.joint_rot[:, hip, 0] = 0.2 * torch.randn(16, generator=generator)
        start.joint_rot[:, ankle] = 0.4 * torch.randn(16, 3, generator=generator)
    put(sim, start)
    starts.put(expected, start)
    for _ in range(3):
        step(sim, start.joint_rot)
        expected.step(start.joint_rot)
        torch.testing.assert_close(state(sim)["body_force"], state(expected)["body_force"], rtol=1e-4, atol=0.5)
        assert worst(sim, expected, ["body_pos"]) < 1e-4
    assert (expected.state.body_force.abs().amax((1, 2)) > 100).sum() > 4


def test_hand_meets_the_ball_softly() -> None:
    """MuJoCo-Warp overlooks the hands' priority; explicit pairs keep their contact as soft as engine mujoco has it."""
    scene = build_scene(SceneConfig(hands="locked"))
    sim = make(scene, 1)
    start = standing(scene, 1, height=3.0)
    put(sim, start)
    start.object_pos[0, 0] = sim.state.body_pos[0, scene.skeleton.index("R_Middle1")] + torch.tensor([0, 0, 0.1])
    put(sim, start)
    contact, count = sim._data.contact, int(sim._data.nacon.numpy()[0])  # type: ignore[attr-defined]
    assert count > 3
    for geoms, solref in zip(contact.geom.numpy()[:count], contact.solref.numpy()[:count], strict=True):
        names = [mujoco.mj_id2name(scene.model, mujoco.mjtObj.mjOBJ_GEOM, geom) for geom in geoms]
        assert "ball" in names
        assert solref == pytest.approx((0.015, 1.0)), names


@pytest.mark.parametrize("device", DEVICES)
def test_bounce(device: str) -> None:
    """The restitution of engine `mujoco`, over a sweep of heights."""
    heights = HEIGHTS[::2]
    scene = build_scene(SceneConfig(physics_hz=120, control_hz=120, hands="locked"))
    sim = make(scene, len(heights), device)
    start = standing(scene, len(heights), height=8.0)
    start.object_pos[:, 0] = torch.tensor([20.0, 0.0, BallConfig().radius])
    start.object_pos[:, 0, 2] += heights
    put(sim, start)
    height, speed = [heights], [torch.zeros(len(heights))]
    for _ in range(150):
        step(sim, start.joint_rot)
        now = state(sim)
        height.append(now["object_pos"][:, 0, 2] - BallConfig().radius)
        speed.append(now["object_lin_vel"][:, 0, 2])
    for measured in restitution(torch.stack(height), torch.stack(speed)):
        assert measured.mean() == pytest.approx(0.80, abs=0.03)
        assert measured.std() <= 0.03
        assert measured.min() > 0.72
        assert measured.max() < 0.88
