"""Who collides with whom, and with which contact."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import mujoco
import numpy as np
import pytest

from hoigym.sim.scene.config import BallConfig, SceneConfig
from hoigym.sim.scene.scene import Scene, build_scene

TWO_BALLS = (BallConfig(), BallConfig(name="second", radius=0.1))


def collide(model: mujoco.MjModel, first: str, second: str) -> bool:
    a, b = model.geom(first), model.geom(second)
    return bool(a.contype[0] & b.conaffinity[0] or b.contype[0] & a.conaffinity[0])


@pytest.fixture(scope="module")
def plain() -> Scene:
    return build_scene(SceneConfig(objects=TWO_BALLS, self_collision=False))


@pytest.fixture(scope="module")
def self_colliding() -> Scene:
    return build_scene(SceneConfig(objects=TWO_BALLS))


def test_ground_objects_and_humanoid_meet(plain: Scene) -> None:
    for body in ("Pelvis", "L_Toe", "R_Index3"):
        assert collide(plain.model, body, "ground")
        assert collide(plain.model, body, "ball")
    assert collide(plain.model, "ball", "ground")
    assert collide(plain.model, "ball", "second")


def test_self_collision_is_a_choice(plain: Scene, self_colliding: Scene) -> None:
    assert not collide(plain.model, "L_Wrist", "R_Hip")
    assert collide(self_colliding.model, "L_Wrist", "R_Hip")


def inner_contacts(scene: Scene, pose: Mapping[str, Sequence[float]]) -> set[frozenset[str]]:
    """Pairs of the humanoid's bodies that touch when the named joints are turned so, high above the floor."""
    data = mujoco.MjData(scene.model)
    data.qpos[2] = 5.0
    for joint, quat in pose.items():
        data.joint(joint).qpos = quat
    mujoco.mj_forward(scene.model, data)
    pairs = scene.model.geom_bodyid[data.contact.geom].tolist()
    humanoid = set(scene.body_ids)
    return {frozenset(scene.model.body(body).name for body in pair) for pair in pairs if humanoid.issuperset(pair)}


@pytest.mark.parametrize("skeleton", ["mocap", "parahome"])
def test_resting_humanoid_does_not_push_itself(skeleton: Literal["mocap", "parahome"]) -> None:
    assert inner_contacts(build_scene(SceneConfig(skeleton=skeleton, self_collision=True)), {}) == set()


def test_a_fist_does_not_push_itself_but_touches_the_other_hand(self_colliding: Scene) -> None:
    half = np.sqrt(0.5)
    fingers = [name for name in self_colliding.skeleton.body_names if name.startswith("L_") and name[-1] in "123"]
    assert inner_contacts(self_colliding, {name: (half, 0, 0, -half) for name in fingers}) == set()
    clapping = {"L_Shoulder": (half, 0, -half, 0), "R_Shoulder": (half, 0, half, 0)}
    toward = {"L_Thorax": (0.97, 0, -0.24, 0), "R_Thorax": (0.97, 0, 0.24, 0)}
    pairs = inner_contacts(self_colliding, clapping | toward)
    assert any({name[0] for name in pair} == {"L", "R"} for pair in pairs)


def test_bodies_meet_where_they_may(self_colliding: Scene) -> None:
    """Legs crossed like an X touch; with self_collision off they pass through each other."""
    crossed = {"L_Hip": (0.989, 0, 0, -0.149), "R_Hip": (0.989, 0, 0, 0.149)}
    assert inner_contacts(build_scene(SceneConfig(self_collision=False)), crossed) == set()
    assert inner_contacts(self_colliding, crossed) == {frozenset(("L_Hip", "R_Hip"))}


def test_ball_bounces_off_the_floor_but_meets_hands_softly(plain: Scene) -> None:
    model = plain.model
    ball, floor = model.geom("ball"), model.geom("ground")
    np.testing.assert_array_equal(ball.solref, [-5000, -10.6])
    hands_and_forearms = {*plain.skeleton.hands, *plain.skeleton.forearms}
    for index, name in enumerate(plain.skeleton.body_names):
        geom = model.geom(name)
        assert geom.priority[0] == (2 if index in hands_and_forearms else 0)
        np.testing.assert_allclose(geom.solref, [0.015, 1])
        np.testing.assert_allclose(geom.solimp[:3], [0.9, 0.99, 0.003])
    assert model.geom("R_Index3").priority[0] > ball.priority[0] > floor.priority[0]


def test_friction_is_one_everywhere(plain: Scene) -> None:
    np.testing.assert_array_equal(plain.model.geom_friction[:, 0], 1.0)
    assert (plain.model.geom_condim == 3).all()


def test_ball_parameters_reach_the_model() -> None:
    ball = BallConfig(name="toy", radius=0.05, density=85.7, friction=0.4, contact_stiffness=100, contact_damping=3)
    model = build_scene(SceneConfig(objects=(ball,), hands="locked")).model
    assert model.body("toy").mass[0] == pytest.approx(85.7 * 4 / 3 * np.pi * 0.05**3)
    assert model.geom("toy").size[0] == 0.05
    assert model.geom("toy").friction[0] == 0.4
    np.testing.assert_array_equal(model.geom("toy").solref, [-100, -3])


def test_any_number_of_objects() -> None:
    for count in (0, 1, 3):
        balls = tuple(BallConfig(name=f"ball{index}") for index in range(count))
        scene = build_scene(SceneConfig(objects=balls, hands="locked"))
        assert scene.num_objects == count == len(scene.object_ids)
        assert scene.contacts.force.shape == (53 + count, 3)
        assert scene.contacts.touches_object.shape == (53, count)
        columns = np.concatenate([np.ravel(getattr(scene.contacts, name)) for name in
                                  ("force", "touches_ground", "touches_object")])  # fmt: skip
        assert sorted(columns) == list(range(scene.model.nsensordata))
    assert all(a < b for a, b in pairwise(scene.object_ids))
