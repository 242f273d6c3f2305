"""Noise on start states: the neighbourhood from which a skill must be picked up."""

import dataclasses

import torch
from torch import Tensor

from motions.rotations import normalize
from motions.state import MotionState

# SkillMimic-V2, table 9: epsilon, and its value for getting up.
NOISE, LYING_NOISE = 0.1, 1.0


def perturb(state: MotionState, lying: Tensor, generator: torch.Generator) -> MotionState:
    """R states from the neighbourhood of those given (SkillMimic-V2, state transition field).

    Heights of root and objects rise by up to 0.1 m; orientations get Gaussian noise of 0.1 on the components
    of their quaternion, which is normalised again (the released code does not); joint angles, joint
    velocities, root and object velocities get Gaussian noise of 0.1. Root height and orientation of a lying
    humanoid get ten times as much.

    Args:
        lying: (R,) bool, humanoids that lie on the ground and shall get up.
        generator: on the device of the state.
    """
    scale = torch.where(lying, LYING_NOISE, NOISE)[:, None]

    def gaussian(value: Tensor, sigma: Tensor | float = NOISE) -> Tensor:
        return value + sigma * torch.randn(value.shape, generator=generator, device=value.device)

    def lifted(position: Tensor, height: Tensor | float = NOISE) -> Tensor:
        lift = torch.rand(position.shape[:-1], generator=generator, device=position.device) * height
        return torch.cat((position[..., :2], position[..., 2:] + lift[..., None]), dim=-1)

    return dataclasses.replace(
        state,
        root_pos=lifted(state.root_pos, scale[:, 0]),
        root_quat=normalize(gaussian(state.root_quat, scale)),
        root_lin_vel=gaussian(state.root_lin_vel),
        root_ang_vel=gaussian(state.root_ang_vel),
        joint_rot=gaussian(state.joint_rot),
        joint_vel=gaussian(state.joint_vel),
        object_pos=lifted(state.object_pos),
        object_quat=normalize(gaussian(state.object_quat)),
        object_lin_vel=gaussian(state.object_lin_vel),
        object_ang_vel=gaussian(state.object_ang_vel),
    )
