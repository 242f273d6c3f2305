"""A compiled scene: the MuJoCo model and where each of its parts stands in the state."""

import functools
import itertools
from dataclasses import dataclass

import mujoco
import numpy as np

from hoigym.core.errors import UserError
from hoigym.motions.skeleton import Skeleton, load_skeleton
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.contacts import ContactColumns, add_contact_sensors, contact_columns
from hoigym.sim.scene.humanoid import add_hand_contacts, add_humanoid
from hoigym.sim.scene.objects import add_ball, add_ground
from hoigym.sim.scene.projectiles import add_projectiles


@dataclass(frozen=True, eq=False)
class Scene:
    """One humanoid, K objects, P projectiles and the ground as a MuJoCo model.

    locked_pose: (J, 3) exp-maps [rad]; the fingers' rows hold when config.hands is "locked".
    """

    config: SceneConfig
    skeleton: Skeleton
    model: mujoco.MjModel
    locked_pose: np.ndarray

    @property
    def finger_pose(self) -> tuple[float, ...]:
        """What `SceneConfig.locked_pose` says of locked fingers."""
        return tuple(self.locked_pose[list(self.skeleton.finger_joints)].flatten().tolist())

    @property
    def object_names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.config.objects)

    @property
    def num_objects(self) -> int:
        return len(self.config.objects)

    @property
    def num_projectiles(self) -> int:
        return self.config.projectiles.count

    @functools.cached_property
    def free_joints(self) -> np.ndarray:
        """Skeleton joint indices that can move, in the order of the model's ball joints."""
        locked = self.skeleton.finger_joints if self.config.hands == "locked" else ()
        return np.array([joint for joint in range(self.skeleton.num_joints) if joint not in locked])

    @functools.cached_property
    def body_ids(self) -> np.ndarray:
        """Model body ids of the humanoid's bodies, (B,)."""
        return np.array([self.model.body(name).id for name in self.skeleton.body_names])

    @functools.cached_property
    def object_ids(self) -> np.ndarray:
        """Model body ids of the objects, (K,)."""
        return np.array([self.model.body(name).id for name in self.object_names], dtype=int)

    @functools.cached_property
    def contacts(self) -> ContactColumns:
        """Columns of the sensor vector that hold the contacts."""
        return contact_columns(self.model, self.skeleton.body_names, self.object_names)


def build_scene(config: SceneConfig, locked_pose: np.ndarray | None = None) -> Scene:
    """Compiles a scene.

    Args:
        config: what stands in it.
        locked_pose: (J, 3) exp-maps [rad] for locked fingers where config has none; the rest pose where left out.

    Raises UserError where config.locked_pose is not that of the skeleton's fingers.
    """
    skeleton = load_skeleton(config.skeleton)
    pose = _locked_pose(config, skeleton, locked_pose)
    spec = mujoco.MjSpec()
    spec.modelname = f"{config.skeleton} {config.hands} hands"
    spec.option.timestep = 1.0 / config.physics_hz
    # Euler diverges at once with these drives; "discrete" takes the bounce out of the ball.
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations = config.solver_iterations
    spec.option.ls_iterations = config.linesearch_iterations
    _add_lights(spec)
    add_ground(spec)
    add_humanoid(spec, skeleton, pose if config.hands == "locked" else None, config.self_collision)
    for ball in config.objects:
        add_ball(spec, ball)
    add_projectiles(spec, config.projectiles)
    add_hand_contacts(spec, skeleton, config.objects)
    names = tuple(item.name for item in config.objects)
    add_contact_sensors(spec, skeleton.body_names, names)
    if config.self_collision:
        _exclude_within_hands(spec, skeleton)
    return Scene(config=config, skeleton=skeleton, model=spec.compile(), locked_pose=pose)


def _locked_pose(config: SceneConfig, skeleton: Skeleton, of_clips: np.ndarray | None) -> np.ndarray:
    pose = np.zeros((skeleton.num_joints, 3)) if of_clips is None else np.array(of_clips)
    if config.locked_pose:
        joints = list(skeleton.finger_joints)
        if len(config.locked_pose) != 3 * len(joints):
            raise UserError(f"scene.locked_pose has {len(config.locked_pose)} numbers; expected {3 * len(joints)}")
        pose[joints] = np.reshape(config.locked_pose, (-1, 3))
    return pose


def _add_lights(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_light(pos=(0, 0, 8), dir=(0.2, 0.3, -1), type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    spec.visual.headlight.ambient = (0.35, 0.35, 0.35)
    spec.visual.headlight.diffuse = (0.4, 0.4, 0.4)
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1920, 1080


def _exclude_within_hands(spec: mujoco.MjSpec, skeleton: Skeleton) -> None:
    """Fingers of one hand overlap at rest and in many recorded frames; they must not push each other."""
    hand_of: dict[int, int] = {}
    for body in sorted(skeleton.hands):
        hand_of[body] = hand_of.get(skeleton.parents[body], body)
    for first, second in itertools.combinations(hand_of, 2):
        if hand_of[first] == hand_of[second]:
            names = skeleton.body_names
            spec.add_exclude(bodyname1=names[first], bodyname2=names[second])
