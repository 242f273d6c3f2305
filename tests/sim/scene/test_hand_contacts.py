"""Hands meet balls softly, by an explicit pair as by the priority of their geoms."""

import mujoco
import numpy as np
import pytest

from hoigym.sim.scene.config import BallConfig, SceneConfig
from hoigym.sim.scene.humanoid import SOFT_CONTACT
from hoigym.sim.scene.scene import Scene, build_scene

BALLS = (BallConfig(), BallConfig(name="second", contact_stiffness=20000.0, contact_damping=21.2))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(SceneConfig(objects=BALLS))


def hand_contacts(scene: Scene, model: mujoco.MjModel) -> dict[tuple[str, str], tuple[np.ndarray, ...]]:
    """Numbers of the contacts between the first ball, laid onto the right hand, and the humanoid."""
    data = mujoco.MjData(model)
    data.qpos[2] = 5.0
    mujoco.mj_kinematics(model, data)
    ball = model.joint(BALLS[0].name).qposadr[0]
    data.qpos[ball : ball + 3] = data.body("R_Middle1").xpos + [0, 0, 0.1]
    mujoco.mj_fwdPosition(model, data)
    found = {}
    for contact in data.contact:
        names = tuple(model.geom(int(geom)).name for geom in contact.geom)
        if BALLS[0].name in names:
            found[names] = contact.solref, contact.solimp, contact.friction, contact.dim, contact.dist
    return found


def test_every_hand_and_forearm_has_a_pair_with_every_object(scene: Scene) -> None:
    skeleton, model = scene.skeleton, scene.model
    for ball in BALLS:
        for body in {*skeleton.hands, *skeleton.forearms}:
            pair = model.pair(f"{ball.name}/{skeleton.body_names[body]}")
            assert pair.solref == pytest.approx(SOFT_CONTACT["solref"])
    assert model.npair == 2 * len({*skeleton.hands, *skeleton.forearms})


def test_the_pair_says_what_priority_says(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pairs MuJoCo itself, which heeds priority, gives the contacts the same numbers."""
    monkeypatch.setattr("hoigym.sim.scene.scene.add_hand_contacts", lambda *args: None)
    by_priority = hand_contacts(scene, build_scene(scene.config).model)
    by_pair = hand_contacts(scene, scene.model)
    assert by_pair.keys() == by_priority.keys()
    assert len(by_pair) > 3
    for names, numbers in by_pair.items():
        for ours, expected in zip(numbers, by_priority[names], strict=True):
            np.testing.assert_array_equal(ours, expected)
