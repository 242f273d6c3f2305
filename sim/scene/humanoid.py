"""Humanoid of a scene: a skeleton as MuJoCo bodies with ball joints and drives, and hands that meet objects.

Their priority says the same, but MuJoCo-Warp 4.0.0 overlooks it where one of the two has a direct (negative)
solref, and gives the contact the smaller of the numbers of both: soft hands would turn stiff on a ball.
"""

import mujoco
import numpy as np
import torch

from hoigym.motions.rotations import exp_to_quat
from hoigym.motions.skeleton import Body, Skeleton
from hoigym.sim.scene.config import BallConfig
from hoigym.sim.scene.contacts import Group, set_collision

# The standard soft contact: a stiff one on thin finger chains makes worlds diverge.
SOFT_CONTACT = {"solref": (0.015, 1.0), "solimp": (0.9, 0.99, 0.003, 0.5, 2.0)}
FRICTION = (1.0, 0.05, 0.05)  # sliding, torsional, rolling
# Above the ball's priority, so that a hand meets the ball softly while the floor meets it stiffly.
_HAND_PRIORITY = 2


def add_humanoid(spec: mujoco.MjSpec, skeleton: Skeleton, locked_pose: np.ndarray | None, self_collision: bool) -> None:
    """Adds the humanoid to the world body of spec.

    Every body but the root hangs on one ball joint with three position actuators along x, y, z: MuJoCo's
    ball-joint transmission is the exp-map of the joint, which is what the clips hold.

    Args:
        spec: model under construction.
        skeleton: body table.
        locked_pose: (J, 3) exp-maps [rad] at which the fingers are fixed, or None for free fingers.
        self_collision: whether its bodies collide with each other.
    """
    locked = set() if locked_pose is None else set(skeleton.fingers)
    made = []
    for index, body in enumerate(skeleton.bodies):
        parent = spec.worldbody if body.parent < 0 else made[body.parent]
        element = parent.add_body(name=body.name, pos=body.offset)
        made.append(element)
        if body.parent < 0:
            element.add_freejoint(name="root")
        elif index in locked:
            assert locked_pose is not None
            element.quat = exp_to_quat(torch.as_tensor(locked_pose[index - 1], dtype=torch.float64)).numpy()
        else:
            _add_drive(spec, element, body, skeleton.armature)
        soft_hand = index in skeleton.hands or index in skeleton.forearms
        _add_shape(element, body, _HAND_PRIORITY if soft_hand else 0, self_collision)


def _add_drive(spec: mujoco.MjSpec, element: mujoco.MjsBody, body: Body, armature: float) -> None:
    element.add_joint(name=body.name, type=mujoco.mjtJoint.mjJNT_BALL, armature=armature)
    stiffness, damping = body.drive
    for axis in range(3):
        actuator = spec.add_actuator(
            name=f"{body.name}_{'xyz'[axis]}", trntype=mujoco.mjtTrn.mjTRN_JOINT, target=body.name
        )
        actuator.gear = np.eye(6)[axis]
        actuator.set_to_position(kp=stiffness, kv=damping)


def _add_shape(element: mujoco.MjsBody, body: Body, priority: int, self_collision: bool) -> None:
    shape = body.shape
    geom = element.add_geom(
        name=body.name,
        type=getattr(mujoco.mjtGeom, f"mjGEOM_{shape.type.upper()}"),
        size=np.pad(shape.size, (0, 3 - len(shape.size))),
        density=shape.density,
        condim=3,
        friction=FRICTION,
        priority=priority,
        rgba=(0.55, 0.65, 0.8, 1.0),
        **SOFT_CONTACT,
    )
    if shape.fromto is not None:
        geom.fromto = shape.fromto
    else:
        geom.pos = shape.pos
    set_collision(geom, Group.HUMANOID, {Group.HUMANOID} if self_collision else set())


# --- How hands and forearms meet objects, said pair by pair ---------------------------------------------------------


def add_hand_contacts(spec: mujoco.MjSpec, skeleton: Skeleton, objects: tuple[BallConfig, ...]) -> None:
    """Gives every hand and forearm the standard soft contact with every object."""
    slide, spin, roll = FRICTION
    for item in objects:
        for body in sorted({*skeleton.hands, *skeleton.forearms}):
            name = skeleton.body_names[body]
            spec.add_pair(
                name=f"{item.name}/{name}",
                geomname1=item.name,
                geomname2=name,
                condim=3,
                friction=(slide, slide, spin, roll, roll),
                **SOFT_CONTACT,
            )
