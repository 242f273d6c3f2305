"""The compiled humanoid: masses, inertia, drives and sizes as the skeleton tables say."""

import math
from typing import Literal

import mujoco
import numpy as np
import pytest

from hoigym.motions.skeleton import Shape, load_skeleton
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import Scene, build_scene

MASS = {"mocap": 66.59014305, "parahome": 43.38336048}  # [kg]
SIZES = {  # (nv, actuators)
    ("mocap", "full"): (168, 156),
    ("mocap", "locked"): (78, 66),
    ("parahome", "full"): (192, 180),
    ("parahome", "locked"): (78, 66),
}
Hands = Literal["full", "locked"]


@pytest.fixture(scope="module", params=SIZES, ids="-".join)
def scene(request: pytest.FixtureRequest) -> Scene:
    skeleton, hands = request.param
    return build_scene(SceneConfig(skeleton=skeleton, hands=hands))


def sorted_inertia(shape: Shape) -> np.ndarray:
    """Principal moments of inertia [kg m^2] of a sphere, box or capsule, ascending."""
    if shape.type == "sphere":
        radius = shape.size[0]
        return np.full(3, 0.4 * shape.density * 4 / 3 * math.pi * radius**5)
    if shape.type == "box":
        x, y, z = np.square(shape.size)
        return np.sort(8 * math.prod(shape.size) * shape.density / 3 * np.array([y + z, x + z, x + y]))
    assert shape.fromto is not None
    radius, length = shape.size[0], math.dist(shape.fromto[:3], shape.fromto[3:])
    rod = shape.density * math.pi * radius**2 * length
    caps = shape.density * 4 / 3 * math.pi * radius**3 * (shape.type == "capsule")
    along = 0.5 * rod * radius**2 + 0.4 * caps * radius**2
    across = rod * (radius**2 / 4 + length**2 / 12)
    across += caps * (0.4 * radius**2 + length**2 / 4 + 3 / 8 * length * radius)
    return np.sort([along, across, across])


def test_sizes(scene: Scene) -> None:
    model = scene.model
    assert (model.nv, model.nu) == SIZES[scene.config.skeleton, scene.config.hands]
    assert model.nq == model.nv + 2 + len(scene.free_joints)  # one more number per quaternion
    assert model.neq == model.ntendon == model.na == 0


def test_masses(scene: Scene) -> None:
    masses = scene.model.body_mass[scene.body_ids]
    assert masses.sum() == pytest.approx(MASS[scene.skeleton.name], abs=1e-5)
    assert scene.model.body_mass[scene.object_ids] == pytest.approx([7.238], abs=1e-3)
    assert scene.model.body_mass.sum() == pytest.approx(masses.sum() + 7.238, abs=1e-3)
    if scene.skeleton.name == "mocap":
        assert masses[:3] == pytest.approx([18.53, 10.39, 3.71], abs=0.01)


def test_inertia_and_centre_of_mass_come_from_the_shapes(scene: Scene) -> None:
    for index, body in zip(scene.body_ids, scene.skeleton.bodies, strict=True):
        shape = body.shape
        np.testing.assert_allclose(np.sort(scene.model.body_inertia[index]), sorted_inertia(shape), rtol=1e-6)
        ends = shape.fromto
        centre = shape.pos if ends is None else np.add(ends[:3], ends[3:]) / 2
        np.testing.assert_allclose(scene.model.body_ipos[index], centre, atol=1e-9)


def test_drives(scene: Scene) -> None:
    model = scene.model
    for joint in scene.free_joints:
        body = scene.skeleton.bodies[joint + 1]
        stiffness, damping = body.drive
        for axis in range(3):
            drive = model.actuator(f"{body.name}_{'xyz'[axis]}")
            assert drive.trnid[0] == model.joint(body.name).id
            np.testing.assert_array_equal(drive.gear, np.eye(6)[axis])
            np.testing.assert_array_equal(drive.gainprm[:3], [stiffness, 0, 0])
            np.testing.assert_array_equal(drive.biasprm[:3], [0, -stiffness, -damping])
            assert not drive.ctrllimited[0]
            assert not drive.forcelimited[0]


def test_joints_have_armature_and_nothing_else(scene: Scene) -> None:
    model = scene.model
    for joint in scene.free_joints:
        made = model.joint(scene.skeleton.body_names[joint + 1])
        assert made.type[0] == mujoco.mjtJoint.mjJNT_BALL
        assert not made.limited[0]
        assert not made.stiffness.any()
        np.testing.assert_array_equal(made.pos, 0)
        np.testing.assert_array_equal(model.dof_armature[made.dofadr[0] : made.dofadr[0] + 3], 0.02)
        np.testing.assert_array_equal(model.dof_damping[made.dofadr[0] : made.dofadr[0] + 3], 0)
    np.testing.assert_array_equal(model.dof_armature[:6], 0)


def test_order_is_that_of_the_state(scene: Scene) -> None:
    """Root, then the free joints in skeleton order, then the objects; controls in the order of the joints."""
    names = [scene.model.joint(joint).name for joint in range(scene.model.njnt)]
    free = [scene.skeleton.body_names[joint + 1] for joint in scene.free_joints]
    assert names == ["root", *free, *scene.object_names]
    drives = [scene.model.actuator(index).name for index in range(scene.model.nu)]
    assert drives == [f"{name}_{axis}" for name in free for axis in "xyz"]
    assert scene.body_ids.tolist() == list(range(1, 1 + scene.skeleton.num_bodies))


def test_locked_fingers_stay_in_the_given_pose() -> None:
    pose = np.random.default_rng(1).normal(0, 0.5, (52, 3))
    scene = build_scene(SceneConfig(hands="locked"), locked_pose=pose)
    for joint in scene.skeleton.finger_joints:
        body = scene.model.body(scene.skeleton.body_names[joint + 1])
        angle = np.linalg.norm(pose[joint])
        expected = [math.cos(angle / 2), *(math.sin(angle / 2) * pose[joint] / angle)]
        np.testing.assert_allclose(body.quat * np.sign(body.quat[0]), expected, atol=1e-12)
        assert body.jntnum[0] == 0


@pytest.mark.parametrize(
    ("physics_hz", "control_hz", "substeps"), [(120, 60, 2), (240, 60, 4), (120, 30, 4), (60, 60, 1)]
)
def test_rates(physics_hz: int, control_hz: int, substeps: int) -> None:
    config = SceneConfig(physics_hz=physics_hz, control_hz=control_hz, hands="locked")
    assert config.substeps == substeps
    assert build_scene(config).model.opt.timestep == pytest.approx(1 / physics_hz)


def test_physics_rate_must_be_a_multiple_of_the_control_rate() -> None:
    with pytest.raises(ValueError, match="physics_hz 100 is not a multiple of control_hz 60"):
        SceneConfig(physics_hz=100)


def test_skeletons_agree_with_scene_names() -> None:
    scene = build_scene(SceneConfig())
    names = [scene.model.body(index).name for index in scene.body_ids]
    assert names == list(load_skeleton("mocap").body_names)
    assert scene.object_names == ("ball",)
