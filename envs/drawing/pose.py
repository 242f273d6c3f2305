"""What there is to draw of one humanoid, its objects and the boxes thrown at it at one moment."""

from dataclasses import dataclass, field

import numpy as np

from envs.sim.base import SimState


@dataclass(frozen=True)
class Pose:
    """World poses of B bodies and K objects, and what touches.

    body_pos (B, 3) [m], body_quat (B, 4) wxyz, object_pos (K, 3), object_quat (K, 4); body_touch (B,) bool:
    the body touches an object; object_touch (K,) bool: the object is touched. Both are drawn in the colour
    of contact. projectile_pos (P, 3), projectile_quat (P, 4): boxes of `SceneConfig.projectiles`, none where left
    out; those higher than `envs.scene.projectiles.PARKED_ABOVE` wait to be thrown and are out of sight.
    """

    body_pos: np.ndarray
    body_quat: np.ndarray
    object_pos: np.ndarray
    object_quat: np.ndarray
    body_touch: np.ndarray
    object_touch: np.ndarray
    projectile_pos: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    projectile_quat: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))

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
            projectile_pos=state.projectile_pos[row].cpu().numpy().copy(),
            projectile_quat=state.projectile_quat[row].cpu().numpy().copy(),
        )
