"""How a scene's state lies in MuJoCo's generalized coordinates; shared by the MuJoCo engines."""

import torch
from torch import Tensor

from hoigym.motions.kinematics import body_velocities, chain_kinematics
from hoigym.motions.rotations import exp_to_quat, quat_rotate, quat_rotate_inverse, quat_to_exp
from hoigym.motions.state import MotionState
from hoigym.sim.base import Flight
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.projectiles import PARKED_ABOVE, parking_places
from hoigym.sim.scene.scene import Scene

MAX_SPEED = 1000.0
"""Generalized speed [m/s, rad/s] beyond which a world has blown up: far above that of a live one (random
targets of 1 rad reach 160), far below the 1e10 at which MuJoCo itself gives a world up."""


class MujocoLayout:
    """Scenes are built root first, then joints, objects and projectiles, so qpos is [7, 4 per joint, 7 per object, 7
    per projectile] and qvel [6, 3 per joint, 6 per object, 6 per projectile], over the joints that can move."""

    def __init__(self, scene: Scene, device: torch.device):
        model = scene.model
        self._free_joints = torch.as_tensor(scene.free_joints, device=device)
        self._skeleton = scene.skeleton
        locked_pose = torch.as_tensor(scene.locked_pose, dtype=torch.float32, device=device)
        self._locked_quat = exp_to_quat(locked_pose)
        joints_end = 7 + 4 * len(scene.free_joints), 6 + 3 * len(scene.free_joints)
        self._joint_qpos, self._joint_qvel = slice(7, joints_end[0]), slice(6, joints_end[1])
        objects_end = joints_end[0] + 7 * scene.num_objects, joints_end[1] + 6 * scene.num_objects
        self._object_qpos, self._object_qvel = (
            slice(joints_end[0], objects_end[0]),
            slice(joints_end[1], objects_end[1]),
        )
        self._box_qpos, self._box_qvel = slice(objects_end[0], model.nq), slice(objects_end[1], model.nv)
        self._num_boxes = scene.num_projectiles
        places = torch.as_tensor(parking_places(scene.config.projectiles), dtype=torch.float32, device=device)
        upright = torch.tensor((1.0, 0.0, 0.0, 0.0), device=device).expand(len(places), 4)
        self._parked = torch.cat((places, upright), dim=-1)

    def controls(self, joint_target: Tensor) -> Tensor:
        """Actuator controls (N, nu) of drive targets (N, J, 3)."""
        return joint_target[:, self._free_joints].flatten(1)

    def pack(self, start: MotionState) -> tuple[Tensor, Tensor]:
        """qpos (R, nq) and qvel (R, nv) of a start state."""
        root = torch.cat((start.root_pos, start.root_quat), dim=-1)
        joints = exp_to_quat(start.joint_rot[:, self._free_joints]).flatten(1)
        objects = torch.cat((start.object_pos, start.object_quat), dim=-1).flatten(1)
        qpos = torch.cat((root, joints, objects, self._parked.flatten().expand(len(root), -1)), dim=-1)
        root_vel = _free_velocity(start.root_quat, start.root_lin_vel, start.root_ang_vel)
        joint_vel = start.joint_vel[:, self._free_joints].flatten(1)
        object_vel = _free_velocity(start.object_quat, start.object_lin_vel, start.object_ang_vel).flatten(1)
        box_vel = root_vel.new_zeros(len(root), 6 * self._num_boxes)
        return qpos, torch.cat((root_vel, joint_vel, object_vel, box_vel), dim=-1)

    def hold_parked(self, qpos: Tensor, qvel: Tensor) -> None:
        """Keeps the projectiles that wait in their places: between two steps they fall a little. In place."""
        if self._num_boxes == 0:
            return
        pose, speed = self._boxes(qpos, qvel)
        parked = pose[..., 2:3] > PARKED_ABOVE
        pose.copy_(torch.where(parked, self._parked.to(pose.dtype), pose))
        speed.masked_fill_(parked, 0.0)

    def launch(self, qpos: Tensor, qvel: Tensor, rows: Rows, box: Tensor, flight: Flight) -> None:
        """Puts one projectile of each selected row into flight, in place; box (R,) long says which."""
        pose, speed = self._boxes(qpos, qvel)
        rows.write_one(pose, box, torch.cat((flight.pos, flight.quat), dim=-1))
        rows.write_one(speed, box, _free_velocity(flight.quat, flight.lin_vel, flight.ang_vel))

    def _boxes(self, qpos: Tensor, qvel: Tensor) -> tuple[Tensor, Tensor]:
        """Views of the projectiles' coordinates, (N, P, 7) and (N, P, 6)."""
        pose, speed = qpos[:, self._box_qpos], qvel[:, self._box_qvel]
        return pose.unflatten(1, (self._num_boxes, 7)), speed.unflatten(1, (self._num_boxes, 6))

    def unpack(self, qpos: Tensor, qvel: Tensor) -> dict[str, Tensor]:
        """Root, joints, objects and bodies of `SimState` by name, float32, from coordinates (R, nq), (R, nv)."""
        rows = len(qpos)
        qpos, qvel = qpos.float(), qvel.float()
        root_pos, root_quat, root_lin_vel = qpos[:, :3], qpos[:, 3:7], qvel[:, :3]
        # MuJoCo keeps a free joint's angular velocity in the body frame.
        root_ang_vel = quat_rotate(root_quat, qvel[:, 3:6])
        joint_quat = self._locked_quat.repeat(rows, 1, 1)
        joint_quat[:, self._free_joints] = qpos[:, self._joint_qpos].view(rows, -1, 4)
        joint_vel = torch.zeros(rows, len(self._locked_quat), 3, device=qpos.device)
        joint_vel[:, self._free_joints] = qvel[:, self._joint_qvel].view(rows, -1, 3)
        body_pos, body_quat = chain_kinematics(self._skeleton, root_pos, root_quat, joint_quat)
        body_lin_vel, body_ang_vel = body_velocities(
            self._skeleton, body_pos, body_quat, root_lin_vel, root_ang_vel, joint_vel
        )
        object_pose = qpos[:, self._object_qpos].view(rows, -1, 7)
        object_vel = qvel[:, self._object_qvel].view(rows, -1, 6)
        object_quat = object_pose[..., 3:]
        box_pose = qpos[:, self._box_qpos].view(rows, -1, 7)
        box_vel = qvel[:, self._box_qvel].view(rows, -1, 6)
        box_quat = box_pose[..., 3:]
        return {
            "root_pos": root_pos,
            "root_quat": root_quat,
            "root_lin_vel": root_lin_vel,
            "root_ang_vel": root_ang_vel,
            "joint_rot": quat_to_exp(joint_quat),
            "joint_vel": joint_vel,
            "body_pos": body_pos,
            "body_quat": body_quat,
            "body_lin_vel": body_lin_vel,
            "body_ang_vel": body_ang_vel,
            "object_pos": object_pose[..., :3],
            "object_quat": object_quat,
            "object_lin_vel": object_vel[..., :3],
            "object_ang_vel": quat_rotate(object_quat, object_vel[..., 3:]),
            "projectile_pos": box_pose[..., :3],
            "projectile_quat": box_quat,
            "projectile_lin_vel": box_vel[..., :3],
            "projectile_ang_vel": quat_rotate(box_quat, box_vel[..., 3:]),
        }


def _free_velocity(quat: Tensor, lin_vel: Tensor, ang_vel: Tensor) -> Tensor:
    """MuJoCo free-joint velocity (..., 6): linear in the world, angular in the body frame."""
    return torch.cat((lin_vel, quat_rotate_inverse(quat, ang_vel)), dim=-1)
