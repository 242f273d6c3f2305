"""Writes ground and objects into a MuJoCo model."""

import mujoco

from hoigym.sim.scene.config import BallConfig
from hoigym.sim.scene.contacts import Group, set_collision

# Soft at first touch: with a full impedance from the start a lying ball hops by millimetres for ever.
_BALL_IMPEDANCE = (0.5, 0.99, 0.01, 0.5, 2.0)


def add_ground(spec: mujoco.MjSpec) -> None:
    """The plane z = 0 with friction 1, drawn as a checkerboard."""
    spec.add_texture(
        name="ground",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=(0.86, 0.87, 0.88),
        rgb2=(0.76, 0.78, 0.8),
        width=256,
        height=256,
    )
    material = spec.add_material(name="ground", texrepeat=(1, 1), texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "ground"
    geom = spec.worldbody.add_geom(
        name="ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 0.5), condim=3, material="ground"
    )
    set_collision(geom, Group.GROUND, set())


def add_ball(spec: mujoco.MjSpec, ball: BallConfig) -> None:
    """A free ball; its contact wins over the ground's, so its spring and damper set the bounce."""
    body = spec.worldbody.add_body(name=ball.name, pos=(0, 0, ball.radius))
    body.add_freejoint(name=ball.name)
    geom = body.add_geom(
        name=ball.name,
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=(ball.radius, 0, 0),
        density=ball.density,
        condim=3,
        friction=(ball.friction, 0.05, 0.05),
        solref=(-ball.contact_stiffness, -ball.contact_damping),
        solimp=_BALL_IMPEDANCE,
        priority=1,
        rgba=(0.9, 0.45, 0.15, 1.0),
    )
    set_collision(geom, Group.OBJECT, {Group.OBJECT})
