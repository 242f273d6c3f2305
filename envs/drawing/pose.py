"""What there is to draw of one humanoid and its objects at one moment."""

from dataclasses import dataclass

import numpy as np

from envs.sim.base import SimState


@dataclass(frozen=True)
class Pose:
    """World poses of B bodies and K objects, and what touches.

    body_pos (B, 3) [m], body_quat (B, 4) wxyz, object_pos (K, 3), object_quat (K, 4); body_touch (B,) bool:
    the body touches an object; object_touch (K,) bool: the object is touched. Both are drawn in the colour
    of contact.
    """

    body_pos: np.ndarray
    body_quat: np.ndarray
    object_pos: np.ndarray
    object_quat: np.ndarray
    body_touch: np.ndarray
    object_touch: np.ndarray

    @staticmethod
    def of_state(state: SimState, row: int) -> "Pose":
        """The pose of a row of a simulation; touch is what the engine reports."""
        contact = state.object_contact[row].cpu()
        return Pose(
            body_pos=state.body_pos[row].cpu().numpy().copy(),
            body_quat=state.body_quat[row].cpu().numpy().copy(),
            object_pos=state.object_pos[row].cpu().numpy().copy(),
            object_quat=state.object_quat[row].cpu().numpy().copy(),
            body_touch=contact.any(dim=1).numpy(),
            object_touch=contact.any(dim=0).numpy(),
        )
