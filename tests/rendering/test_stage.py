"""Where the parts of the drawn figures are, and their colours."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from hoigym.motions.skeleton import load_skeleton
from hoigym.rendering.pose import (
    GHOST_ALPHA,
    HAND,
    OBJECTS,
    PROJECTILE,
    TOUCH,
    ObjectLook,
    looks_of,
    looks_of_projectiles,
)
from hoigym.rendering.stage import GHOST, MAIN, Stage
from hoigym.sim.scene.config import BallConfig, ProjectileConfig, SceneConfig
from tests.rendering.poses import BALL, SKELETON, standing


def colour_of(stage: Stage, body: str) -> np.ndarray:
    """Of the body's collision shape: its first geom."""
    return stage.model.geom_rgba[stage.model.body(body).geomadr[0]]


def test_bodies_and_objects_stand_where_the_pose_says():
    stage = Stage(SKELETON, [BALL])
    pose = standing(root=(3.0, 4.0, 0.975))
    stage.place(MAIN, pose)
    stage.update()
    np.testing.assert_allclose(stage.data.body("main/Pelvis").xpos, (3.0, 4.0, 0.975))
    np.testing.assert_allclose(stage.data.body("main/R_Toe").xpos, pose.body_pos[SKELETON.index("R_Toe")])
    np.testing.assert_allclose(stage.data.body("main/object0").xpos, pose.object_pos[0])


def test_what_touches_changes_colour_and_back():
    stage = Stage(SKELETON, [BALL])
    stage.place(MAIN, standing(touch=True))
    np.testing.assert_allclose(colour_of(stage, "main/L_Wrist")[:3], TOUCH)
    np.testing.assert_allclose(colour_of(stage, "main/object0")[:3], TOUCH)
    np.testing.assert_allclose(colour_of(stage, "main/R_Wrist")[:3], HAND)
    stage.place(MAIN, standing(touch=False))
    np.testing.assert_allclose(colour_of(stage, "main/L_Wrist")[:3], HAND)
    np.testing.assert_allclose(colour_of(stage, "main/object0")[:3], OBJECTS[0])


def test_a_ghost_is_translucent_and_can_be_moved_and_hidden():
    stage = Stage(SKELETON, [BALL], ghost=True)
    stage.place(GHOST, standing(), offset=np.array([0.0, 1.5, 0.0]))
    stage.update()
    np.testing.assert_allclose(stage.data.body("ghost/Pelvis").xpos, (0.0, 1.5, 0.975))
    assert colour_of(stage, "ghost/Pelvis")[3] == pytest.approx(GHOST_ALPHA)
    stage.place(GHOST, None)
    assert colour_of(stage, "ghost/Pelvis")[3] == 0.0
    assert colour_of(stage, "main/Pelvis")[3] == 1.0


def test_boxes_have_their_size_and_centre():
    stage = Stage(load_skeleton("parahome"), [ObjectLook("box", (0.1, 0.2, 0.3), (0.0, 0.0, 0.05))])
    geom = int(stage.model.body("main/object0").geomadr[0])
    assert stage.model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX
    np.testing.assert_allclose(stage.model.geom_size[geom], (0.1, 0.2, 0.3))
    np.testing.assert_allclose(stage.model.geom_pos[geom], (0.0, 0.0, 0.05))


def test_boxes_in_flight_stand_where_the_pose_says_and_have_no_ghost():
    look = ObjectLook("box", (0.15, 0.15, 0.15))
    stage = Stage(SKELETON, [BALL], ghost=True, projectiles=[look, look])
    places = np.array([[1.0, 2.0, 0.5], [0.0, 0.0, 200.0]])
    turns = np.array([[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    stage.place(MAIN, replace(standing(), projectile_pos=places, projectile_quat=turns))
    stage.place(GHOST, standing())
    stage.update()
    for index in range(2):
        box = stage.data.body(f"main/projectile{index}")
        np.testing.assert_allclose(box.xpos, places[index])
        np.testing.assert_allclose(box.xquat, turns[index])
    np.testing.assert_allclose(colour_of(stage, "main/projectile0")[:3], PROJECTILE)
    assert stage.model.nmocap == 2 * (SKELETON.num_bodies + 1) + 2


def test_a_scene_says_how_its_objects_look():
    scene = SceneConfig(objects=(BallConfig(), BallConfig(name="small", radius=0.05)))
    assert looks_of(scene) == (ObjectLook("ball", (0.12,)), ObjectLook("ball", (0.05,)))
    assert looks_of_projectiles(scene) == ()
    armed = SceneConfig(projectiles=ProjectileConfig(count=2, size=0.3))
    assert looks_of_projectiles(armed) == (ObjectLook("box", (0.15, 0.15, 0.15)),) * 2
