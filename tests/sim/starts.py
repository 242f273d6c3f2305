"""Start states and comparisons for engine tests."""

import dataclasses
import math

import torch
from torch import Tensor

from hoigym.motions.state import MotionState
from hoigym.sim.base import SimState, Simulator
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.scene import Scene

# Turns the y-up rest pose of the mocap skeleton upright.
UPRIGHT = (math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0)
STANDING = 0.9775  # height [m] of the root with the feet on the floor


def standing(scene: Scene, count: int, height: float = STANDING) -> MotionState:
    """The mocap humanoid upright, arms stretched out; the objects lie on the floor 5 m away in x."""
    joints, objects = scene.skeleton.num_joints, scene.num_objects

    def repeat(values: tuple[float, ...], *shape: int) -> Tensor:
        return torch.tensor(values).expand(count, *shape, len(values)).clone()

    object_pos = torch.zeros(count, objects, 3)
    for index, item in enumerate(scene.config.objects):
        object_pos[:, index] = torch.tensor([5.0 + index, 0.0, item.radius])
    return MotionState(
        root_pos=repeat((0.0, 0.0, height)),
        root_quat=repeat(UPRIGHT),
        root_lin_vel=torch.zeros(count, 3),
        root_ang_vel=torch.zeros(count, 3),
        joint_rot=torch.zeros(count, joints, 3),
        joint_vel=torch.zeros(count, joints, 3),
        object_pos=object_pos,
        object_quat=repeat((1.0, 0.0, 0.0, 0.0), objects),
        object_lin_vel=torch.zeros(count, objects, 3),
        object_ang_vel=torch.zeros(count, objects, 3),
    )


def everyone(count: int) -> Rows:
    return Rows.of(torch.ones(count, dtype=torch.bool))


def put(sim: Simulator, start: MotionState) -> None:
    """Sets every row."""
    sim.set_state(everyone(sim.num_envs), start)


def pick(start: MotionState, index: Tensor | list[int]) -> MotionState:
    """The rows of start named by index."""
    return MotionState(**{name: value[index] for name, value in copy(start).items()})


def copy(state: SimState | MotionState) -> dict[str, Tensor]:
    return {field.name: getattr(state, field.name).clone() for field in dataclasses.fields(state)}


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor], rows: list[int] | slice = slice(None)) -> None:
    """Bit for bit, in the given rows."""
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name][rows], second[name][rows])]
    assert not different, f"different: {different}"


def random_targets(scene: Scene, count: int, steps: int, amplitude: float = 0.5, seed: int = 0) -> list[Tensor]:
    """Drive targets (count, J, 3) for each step, normal with that standard deviation [rad]."""
    generator = torch.Generator().manual_seed(seed)
    shape = count, scene.skeleton.num_joints, 3
    return [amplitude * torch.randn(shape, generator=generator) for _ in range(steps)]


def random_start(scene: Scene, count: int, seed: int = 0) -> MotionState:
    """Tumbling above the floor, every quantity random; locked joints hold their pose."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(count, *shape, generator=generator)

    joints, objects = scene.skeleton.num_joints, scene.num_objects
    joint_rot, joint_vel = normal(joints, 3, scale=0.5), normal(joints, 3)
    locked = sorted(set(range(joints)) - set(scene.free_joints.tolist()))
    joint_rot[:, locked] = torch.from_numpy(scene.locked_pose[locked]).float()
    joint_vel[:, locked] = 0
    return MotionState(
        root_pos=normal(3) + torch.tensor([0.0, 0.0, 10.0]),
        root_quat=torch.nn.functional.normalize(normal(4), dim=-1),
        root_lin_vel=normal(3),
        root_ang_vel=normal(3),
        joint_rot=joint_rot,
        joint_vel=joint_vel,
        object_pos=normal(objects, 3) + torch.tensor([20.0, 0.0, 10.0]),
        object_quat=torch.nn.functional.normalize(normal(objects, 4), dim=-1),
        object_lin_vel=normal(objects, 3),
        object_ang_vel=normal(objects, 3, scale=3.0),
    )
