"""Puts an observation together from the state of the simulation and what came before it."""

import torch
from torch import Tensor

from hoigym.conditioners.base import ConditionQuery, SkillConditioner
from hoigym.envs.config import EnvConfig
from hoigym.envs.observation import OBJECT_WIDTH, heading_turn, humanoid_observation, humanoid_width, object_observation
from hoigym.hist_encoder.buffer import HistoryBuffer, ReferenceHistory
from hoigym.hist_encoder.checkpoint import load_encoder
from hoigym.hist_encoder.features import frame_features
from hoigym.motions.library import MotionLibrary
from hoigym.sim.base import SimState, Simulator
from hoigym.sim.env_ids import Rows


class Observer:
    """Observations (R, O): the humanoid, its objects, the condition that names the skill, the encoded history.

    A control step asks for observations, restarts the rows whose episodes ended, asks again for those, and last calls
    `remember`, so that the history in an observation ends with the frame before it.

    width: O.
    """

    def __init__(self, config: EnvConfig, sim: Simulator, conditioner: SkillConditioner, library: MotionLibrary):
        self._config, self._state, self._conditioner = config, sim.state, conditioner
        skeleton = sim.scene.skeleton
        self._fingertips = torch.tensor(skeleton.fingertips, device=sim.device)
        self.width = humanoid_width(skeleton.num_bodies) + OBJECT_WIDTH * config.object_slots + conditioner.width
        self._history = None
        if config.history.encoder:
            encoder = load_encoder(config.history.encoder)
            past = ReferenceHistory(encoder, library, sim.scene.num_objects, config.history.reference_heading)
            self._object_slots = past.object_slots
            self._history = HistoryBuffer(past, sim.num_envs)
            self.width += self._history.embedding.shape[1]

    def __call__(self, index: Tensor, query: ConditionQuery) -> Tensor:
        """Observations of the rows index (R,), whose condition is asked for by query (R rows); N rows are all."""
        everyone = len(index) == len(self._state.root_pos)
        state = self._state if everyone else _Selected(self._state, index)
        turn = heading_turn(state.root_quat)
        humanoid = humanoid_observation(
            state.body_pos,
            state.body_quat,
            state.body_lin_vel,
            state.body_ang_vel,
            state.body_force[:, self._fingertips],
            self._config.force_frame,
            turn,
        )
        objects = object_observation(
            state.root_pos,
            state.root_quat,
            state.object_pos,
            state.object_quat,
            state.object_lin_vel,
            state.object_ang_vel,
            slots=self._config.object_slots,
            turn=turn,
        )
        blocks = [humanoid, objects, self._conditioner(query)]
        if self._history is not None:
            blocks.append(self._history.embedding if everyone else self._history.embedding[index])
        return torch.cat(blocks, dim=1)

    def restart(self, rows: Rows, row: Tensor) -> None:
        """Gives restarted rows the past of the library rows row (R,) that they follow first."""
        self._conditioner.restart(rows.index, rows.mask)
        if self._history is not None:
            self._history.restart(rows.index, rows.mask, row)

    def remember(self) -> None:
        """Adds the present state of every row to its past."""
        self._conditioner.look()
        if self._history is None:
            return
        state = self._state
        self._history.push(
            frame_features(
                state.root_pos,
                state.root_quat,
                state.body_pos,
                state.joint_rot,
                state.object_pos,
                self._object_slots,
            )
        )

    def state_dict(self) -> dict[str, Tensor]:
        """The history, for an exact continuation."""
        return {} if self._history is None else self._history.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues with the history of an observer of the same configuration."""
        if self._history is not None:
            self._history.load_state_dict(state)


class _Selected:
    """Rows of a state, taken when asked for."""

    def __init__(self, state: SimState, index: Tensor) -> None:
        self._state, self._index = state, index

    def __getattr__(self, name: str) -> Tensor:
        return getattr(self._state, name)[self._index]
