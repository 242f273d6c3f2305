"""Puts an observation together from the state of the simulation."""

import torch
from torch import Tensor

from conditioners.base import ConditionQuery, SkillConditioner
from envs.config import EnvConfig
from envs.observation import OBJECT_WIDTH, humanoid_observation, humanoid_width, object_observation
from envs.sim.base import Simulator


class Observer:
    """Observations (R, O): the humanoid, its objects, the condition that names the skill.

    width: O.
    """

    def __init__(self, config: EnvConfig, sim: Simulator, conditioner: SkillConditioner):
        self._state, self._conditioner = sim.state, conditioner
        self._config = config
        skeleton = sim.scene.skeleton
        self._fingertips = torch.tensor(skeleton.fingertips, device=sim.device)
        self.width = (
            humanoid_width(skeleton.num_bodies) + OBJECT_WIDTH * config.object_slots + conditioner.width
        )

    def __call__(self, index: Tensor, query: ConditionQuery) -> Tensor:
        """Observations of the rows index (R,), whose condition is asked for by query (R rows)."""
        state = self._state
        humanoid = humanoid_observation(
            state.body_pos[index],
            state.body_quat[index],
            state.body_lin_vel[index],
            state.body_ang_vel[index],
            state.body_force[index][:, self._fingertips],
            self._config.force_frame,
        )
        objects = object_observation(
            state.root_pos[index],
            state.root_quat[index],
            state.object_pos[index],
            state.object_quat[index],
            state.object_lin_vel[index],
            state.object_ang_vel[index],
            slots=self._config.object_slots,
        )
        return torch.cat((humanoid, objects, self._conditioner(query)), dim=1)
