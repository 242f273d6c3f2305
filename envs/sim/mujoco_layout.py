"""How a scene's state lies in MuJoCo's generalized coordinates; shared by the MuJoCo engines."""

import torch
from torch import Tensor

from envs.scene.scene import Scene
from envs.sim.base import SimState
from motions.rotations import exp_to_quat, quat_rotate, quat_rotate_inverse, quat_to_exp
from motions.state import MotionState

MAX_SPEED = 1000.0
"""Generalized speed [m/s, rad/s] beyond which a world has blown up: far above that of a live one (random
targets of 1 rad reach 160), far below the 1e10 at which MuJoCo itself gives a world up."""


class MujocoLayout:
    """Scenes are built root first, then joints, then objects, so qpos is [7, 4 per joint, 7 per object] and
    qvel [6, 3 per joint, 6 per object], over the joints that can move."""

    def __init__(self, scene: Scene, device: torch.device):
        model = scene.model
        self._free_joints = torch.as_tensor(scene.free_joints, device=device)
        self._locked_pose = torch.as_tensor(scene.locked_pose, dtype=torch.float32, device=device)
        self._num_qpos, self._num_qvel = model.nq, model.nv
        joints_end = 7 + 4 * len(scene.free_joints), 6 + 3 * len(scene.free_joints)
        self._joint_qpos, self._joint_qvel = slice(7, joints_end[0]), slice(6, joints_end[1])
        self._object_qpos, self._object_qvel = slice(joints_end[0], model.nq), slice(joints_end[1], model.nv)
        self._root_body = int(scene.body_ids[0])
        self._bodies = slice(self._root_body, self._root_body + scene.skeleton.num_bodies)

    def controls(self, joint_target: Tensor) -> Tensor:
        """Actuator controls (N, nu) of drive targets (N, J, 3)."""
        return joint_target[:, self._free_joints].flatten(1)

    def pack(self, start: MotionState) -> tuple[Tensor, Tensor]:
        """qpos (R, nq) and qvel (R, nv) of a start state."""
        root = torch.cat((start.root_pos, start.root_quat), dim=-1)
        joints = exp_to_quat(start.joint_rot[:, self._free_joints]).flatten(1)
        objects = torch.cat((start.object_pos, start.object_quat), dim=-1).flatten(1)
        qpos = torch.cat((root, joints, objects), dim=-1)
        root_vel = _free_velocity(start.root_quat, start.root_lin_vel, start.root_ang_vel)
        joint_vel = start.joint_vel[:, self._free_joints].flatten(1)
        object_vel = _free_velocity(start.object_quat, start.object_lin_vel, start.object_ang_vel).flatten(1)
        return qpos, torch.cat((root_vel, joint_vel, object_vel), dim=-1)

    def unpack(self, qpos: Tensor, qvel: Tensor, state: SimState) -> None:
        """Writes the generalized coordinates (N, nq), (N, nv) into root, joints and objects of state."""
        rows = len(qpos)
        state.root_pos.copy_(qpos[:, :3])
        state.root_quat.copy_(qpos[:, 3:7])
        state.root_lin_vel.copy_(qvel[:, :3])
        # MuJoCo keeps a free joint's angular velocity in the body frame.
        state.root_ang_vel.copy_(quat_rotate(state.root_quat, qvel[:, 3:6].float()))
        state.joint_rot.copy_(self._locked_pose)
        joint_quat = qpos[:, self._joint_qpos].float().view(rows, -1, 4)
        state.joint_rot[:, self._free_joints] = quat_to_exp(joint_quat)
        state.joint_vel[:, self._free_joints] = qvel[:, self._joint_qvel].float().view(rows, -1, 3)
        object_pose = qpos[:, self._object_qpos].view(rows, -1, 7)
        object_vel = qvel[:, self._object_qvel].view(rows, -1, 6)
        state.object_pos.copy_(object_pose[..., :3])
        state.object_quat.copy_(object_pose[..., 3:])
        state.object_lin_vel.copy_(object_vel[..., :3])
        state.object_ang_vel.copy_(quat_rotate(state.object_quat, object_vel[..., 3:].float()))

    def unpack_bodies(self, xpos: Tensor, xquat: Tensor, cvel: Tensor, subtree_com: Tensor, state: SimState) -> None:
        """Writes poses and velocities of the body frames into state.

        MuJoCo gives cvel (angular, linear) in world axes at the centre of mass of the whole tree; the
        velocity of a body frame's origin is that carried over from there.
        """
        state.body_pos.copy_(xpos[:, self._bodies])
        state.body_quat.copy_(xquat[:, self._bodies])
        state.body_ang_vel.copy_(cvel[:, self._bodies, :3])
        lever = state.body_pos - subtree_com[:, self._root_body].unsqueeze(1).float()
        state.body_lin_vel.copy_(cvel[:, self._bodies, 3:])
        state.body_lin_vel.add_(torch.linalg.cross(state.body_ang_vel, lever))


def _free_velocity(quat: Tensor, lin_vel: Tensor, ang_vel: Tensor) -> Tensor:
    """MuJoCo free-joint velocity (..., 6): linear in the world, angular in the body frame."""
    return torch.cat((lin_vel, quat_rotate_inverse(quat, ang_vel)), dim=-1)
