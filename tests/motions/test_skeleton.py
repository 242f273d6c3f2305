"""Skeleton tables against figures written here and against the published tables."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hoigym.motions.skeleton import Shape, Skeleton, load_skeleton

NAMES = ("mocap", "parahome")
MASS = {"mocap": 66.59014305, "parahome": 43.38336048}  # [kg]


def volume(shape: Shape) -> float:
    """[m^3]"""
    if shape.type == "box":
        return 8 * math.prod(shape.size)
    radius = shape.size[0]
    ball = 4 / 3 * math.pi * radius**3
    if shape.type == "sphere":
        return ball
    assert shape.fromto is not None
    rod = math.pi * radius**2 * math.dist(shape.fromto[:3], shape.fromto[3:])
    return rod + ball if shape.type == "capsule" else rod


def mass(skeleton: Skeleton, name: str) -> float:
    shape = skeleton.bodies[skeleton.index(name)].shape
    return volume(shape) * shape.density


def names(skeleton: Skeleton, indices: tuple[int, ...]) -> list[str]:
    return [skeleton.body_names[index] for index in indices]


@pytest.fixture(params=NAMES)
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return load_skeleton(request.param)


@pytest.fixture
def published(skeleton: Skeleton, shared: Path) -> dict:
    return json.loads((shared / "spec" / f"humanoid_{skeleton.name}.json").read_text())


def test_sizes_rates_and_total_mass() -> None:
    mocap, parahome = load_skeleton("mocap"), load_skeleton("parahome")
    assert (mocap.num_bodies, mocap.num_joints, mocap.fps) == (53, 52, 60)
    assert (parahome.num_bodies, parahome.num_joints, parahome.fps) == (61, 60, 30)
    for skeleton in (mocap, parahome):
        total = sum(mass(skeleton, name) for name in skeleton.body_names)
        assert total == pytest.approx(MASS[skeleton.name], abs=1e-6)


def test_mocap_figures() -> None:
    mocap = load_skeleton("mocap")
    bodies = {body.name: body for body in mocap.bodies}
    masses = {"Pelvis": 18.53, "L_Hip": 10.39, "R_Hip": 10.13, "L_Knee": 3.71, "R_Knee": 3.99, "Head": 4.33}
    for name, kilograms in masses.items():
        assert mass(mocap, name) == pytest.approx(kilograms, abs=0.01), name
    drives = {
        (500, 50): ["L_Hip", "R_Hip", "L_Knee", "R_Knee"],
        (400, 40): ["L_Ankle", "R_Ankle", "L_Thorax", "R_Thorax", "L_Shoulder", "R_Shoulder"],
        (200, 20): ["L_Toe", "R_Toe"],
        (1000, 100): ["Torso", "Spine", "Spine2", "Chest"],
        (300, 30): ["L_Elbow", "R_Elbow"],
        (100, 10): ["Neck", "Head", *names(mocap, mocap.hands)],
    }
    for drive, group in drives.items():
        assert {bodies[name].drive for name in group} == {drive}
    assert sum(len(group) for group in drives.values()) == mocap.num_joints
    assert mocap.armature == 0.02
    assert math.dist((0, 0, 0), bodies["L_Knee"].offset) == pytest.approx(0.461918, abs=1e-6)  # thigh
    assert math.dist((0, 0, 0), bodies["R_Ankle"].offset) == pytest.approx(0.365283, abs=1e-6)  # shin
    assert bodies["R_Elbow"].offset == (-0.252505, 0, 0)


def test_parahome_figures() -> None:
    parahome = load_skeleton("parahome")
    assert {body.drive for body in parahome.bodies[1:]} == {(500, 500)}
    assert parahome.armature == 0.02
    assert mass(parahome, "pHipOrigin") == pytest.approx(6.683, abs=1e-3)
    assert mass(parahome, "jC1Head") == pytest.approx(1.18, abs=0.01)
    assert mass(parahome, "jLeftHip") == pytest.approx(10.5, abs=0.1)
    assert math.dist((0, 0, 0), parahome.bodies[parahome.index("jLeftKnee")].offset) == pytest.approx(0.447, abs=1e-3)


def test_mocap_named_bodies() -> None:
    mocap = load_skeleton("mocap")
    assert mocap.key_bodies == (14, 2, 6, 17, 36, 3, 7, 21, 24, 27, 30, 33, 40, 43, 46, 49, 52)
    assert mocap.fingertips == (21, 24, 27, 30, 33, 40, 43, 46, 49, 52)
    assert sorted(mocap.contact_free) == [0, 1, 2, 5, 6, *range(9, 18), 34, 35, 36]
    assert mocap.fingers == (*range(19, 34), *range(38, 53))
    assert sorted(mocap.hands) == [18, *range(19, 34), 37, *range(38, 53)]
    assert names(mocap, mocap.forearms) == ["L_Elbow", "R_Elbow"]
    assert mocap.finger_joints == tuple(body - 1 for body in mocap.fingers)


def test_parahome_named_bodies() -> None:
    parahome = load_skeleton("parahome")
    tips = [f"j{side}{finger}" for side in ("Left", "Right") for finger in
            ("IP", "SecondDIP", "ThirdDIP", "FourthDIP", "FifthDIP")]  # fmt: skip
    limbs = ["jC1Head", "jLeftKnee", "jRightKnee", "jLeftElbow", "jRightElbow", "jLeftAnkle", "jRightAnkle"]
    assert names(parahome, parahome.key_bodies) == limbs + tips
    assert names(parahome, parahome.fingertips) == tips
    assert sorted(parahome.fingers) == [*range(11, 30), *range(34, 53)]
    assert sorted(parahome.hands) == [*range(10, 30), *range(33, 53)]


def test_parents_come_first(skeleton: Skeleton) -> None:
    assert skeleton.parents[0] == -1
    assert all(0 <= parent < body for body, parent in enumerate(skeleton.parents) if body)
    assert len(set(skeleton.body_names)) == skeleton.num_bodies
    assert skeleton.offsets.shape == (skeleton.num_bodies, 3)


def test_fingers_hang_on_wrists(skeleton: Skeleton) -> None:
    wrists = set(skeleton.hands) - set(skeleton.fingers)
    assert len(wrists) == 2
    assert {skeleton.parents[wrist] for wrist in wrists} == set(skeleton.forearms)
    assert all(skeleton.parents[finger] in wrists | set(skeleton.fingers) for finger in skeleton.fingers)


def test_left_and_right_limbs_are_equally_long(skeleton: Skeleton) -> None:
    left, right = {"mocap": ("L_", "R_"), "parahome": ("jLeft", "jRight")}[skeleton.name]
    limbs = [name for body, name in enumerate(skeleton.body_names) if body not in skeleton.fingers]
    pairs = [(name, right + name[len(left) :]) for name in limbs if name.startswith(left)]
    assert len(pairs) == 8
    for first, second in pairs:
        lengths = [np.linalg.norm(skeleton.offsets[skeleton.index(name)]) for name in (first, second)]
        assert lengths[0] == pytest.approx(lengths[1], rel=0.02), first


def test_tree_equals_published(skeleton: Skeleton, published: dict) -> None:
    assert [body["name"] for body in published["bodies"]] == list(skeleton.body_names)
    parents = [-1 if body["parent"] is None else body["parent_index"] for body in published["bodies"]]
    assert parents == list(skeleton.parents)
    np.testing.assert_allclose(skeleton.offsets, [body["pos"] for body in published["bodies"]], rtol=0, atol=1e-9)
    assert published["total_mass_kg"] == pytest.approx(MASS[skeleton.name], abs=1e-6)


def test_drives_equal_published(skeleton: Skeleton, published: dict) -> None:
    for body, row in zip(skeleton.bodies[1:], published["bodies"][1:], strict=True):
        assert {(joint["stiffness"], joint["damping"]) for joint in row["joints"]} == {body.drive}
        assert [joint["axis"] for joint in row["joints"]] == np.eye(3).tolist()
        assert {joint["armature"] for joint in row["joints"]} == {skeleton.armature}


def test_shapes_equal_published(skeleton: Skeleton, published: dict) -> None:
    for body, row in zip(skeleton.bodies, published["bodies"], strict=True):
        (geom,) = row["geoms"]
        shape = body.shape
        assert shape.type == geom["type"], body.name
        count = {"sphere": 1, "capsule": 1, "cylinder": 1, "box": 3}[shape.type]
        np.testing.assert_allclose(shape.size, geom["size"][:count], rtol=0, atol=1e-9)
        if geom.get("fromto") is not None:
            np.testing.assert_allclose(shape.fromto or (), geom["fromto"], rtol=0, atol=1e-9)
        else:
            assert shape.fromto is None
            np.testing.assert_allclose(shape.pos, geom["pos"] or (0, 0, 0), rtol=0, atol=1e-9)
            assert geom.get("quat_wxyz") in (None, [1, 0, 0, 0])
        assert volume(shape) * shape.density == pytest.approx(row["mass_kg"], rel=1e-7), body.name


def test_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no skeleton 'robot'; there are mocap, parahome"):
        load_skeleton("robot")
