"""What a control step was worth, and whether it ended the episode."""

from typing import NamedTuple

import torch
from torch import Tensor

from hoigym.envs.config import EnvConfig
from hoigym.envs.reward import REWARDS, Contacts, force_rule_contacts, masked_reward, object_free_rows, pair_contacts
from hoigym.envs.termination import EpisodeEnd, episode_end, has_fallen, object_lost, root_lost, window_over
from hoigym.motions.library import MotionLibrary
from hoigym.motions.state import Frames
from hoigym.sim.base import SimState
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.scene import Scene


class Following(NamedTuple):
    """What each row follows, (N,) long, and for how long; the environment's own tensors, as HOIVectorEnv names them."""

    clip: Tensor
    start_frame: Tensor
    wait: Tensor
    progress: Tensor
    skill: Tensor


class StepJudge:
    """Holds the state of the simulation against the reference; keeps count of the rewards of each episode."""

    def __init__(
        self, config: EnvConfig, scene: Scene, library: MotionLibrary, state: SimState, following: Following
    ) -> None:
        self._config, self._library, self._state, self._following = config, library, state, following
        self._num_objects = scene.num_objects
        self._lying, self._objectless = config.beginning_on_the_ground, config.without_object
        self._reward = REWARDS[config.reward.kind]
        device = state.root_pos.device
        self._returns = torch.zeros(len(state.root_pos), device=device)
        self._rewarded_steps = torch.zeros_like(self._returns)
        self._joint_vel = torch.zeros_like(state.joint_vel)
        skeleton = scene.skeleton
        self._key_bodies = torch.tensor(skeleton.key_bodies, device=device)
        self._contact_free = torch.tensor(skeleton.contact_free, device=device)
        self._hands = torch.tensor(skeleton.hands, device=device)
        # Locked fingers cannot follow the reference, so they do not count.
        locked = config.scene.hands == "locked"
        self._joints = torch.as_tensor(scene.free_joints, dtype=torch.long, device=device) if locked else None

    def before_step(self) -> None:
        """Remembers what the reward compares the next state with."""
        self._joint_vel.copy_(self._state.joint_vel)

    def reward(self, reference: Frames, valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Reward (N,) and its terms; nothing for worlds that diverged, the average for steps without a reference.

        valid: (N,) bool, whether the reference frame is there.
        """
        config = self._config.reward
        total, terms = self._reward(
            self._state,
            reference,
            contacts=self._rewarded_contacts(),
            previous_joint_vel=self._joint_vel,
            object_free=self.object_free(),
            key_bodies=self._key_bodies,
            joints=self._joints,
            weights=config.weights,
            rotation_difference=config.rotation_difference,
        )
        total, *kept = torch.stack((total, *terms.values())).masked_fill(self._state.diverged, 0.0)
        masked = (self._following.progress <= self._following.wait) | ~valid
        self._returns += total.masked_fill(masked, 0.0)
        self._rewarded_steps += ~masked
        reward = masked_reward(total, masked, self._following.clip, self._library.num_clips)
        return reward, dict(zip(terms, kept, strict=True))

    def mean_reward(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Mean reward of a step of the episodes of rows index (R,), and whether there was any: (R,), (R,) bool."""
        steps = self._rewarded_steps[index]
        return self._returns[index] / steps.clamp_min(1.0), steps > 0

    def restart(self, rows: Rows) -> None:
        """Begins to count anew."""
        rows.write(self._returns, 0)
        rows.write(self._rewarded_steps, 0)

    def contacts(self) -> Contacts:
        """Who touches what now, by the engine's contact pairs."""
        state = self._state
        return pair_contacts(state.ground_contact, state.object_contact, self._contact_free, self._hands)

    def object_free(self) -> Tensor:
        """Rows (N,) bool that are asked for a skill without an object."""
        return object_free_rows(self._following.skill, self._objectless)

    def end(self, reference: Frames) -> EpisodeEnd:
        """Which episodes the state ends, and why."""
        state, episode, following = self._state, self._config.episode, self._following
        window = torch.full_like(following.progress, episode.length)
        if episode.stop_at_clip_end:
            window = window.minimum(self._library.clip_length[following.clip] - following.start_frame)
        fallen = root_far = object_far = None
        if episode.fall_height is not None:
            height = state.root_pos[:, 2]
            fallen = has_fallen(height, following.progress, following.skill, episode.fall_height, self._lying)
        if episode.max_root_error is not None:
            root_far = root_lost(state.root_pos, reference.root_pos, episode.max_root_error)
        if episode.max_object_error is not None and self._num_objects:
            wanted = reference.object_pos[:, : self._num_objects]
            object_far = object_lost(state.object_pos, wanted, self.object_free(), episode.max_object_error)
        return episode_end(
            window=window_over(following.progress, window),
            fallen=fallen,
            root_lost=root_far,
            object_lost=object_far,
            diverged=state.diverged,
        )

    def state_dict(self) -> dict[str, Tensor]:
        """The counts, for an exact continuation."""
        return {"returns": self._returns.clone(), "rewarded_steps": self._rewarded_steps.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues with the counts of another judge."""
        self._returns.copy_(state["returns"])
        self._rewarded_steps.copy_(state["rewarded_steps"])

    def _rewarded_contacts(self) -> Contacts:
        if self._config.reward.contact == "forces":
            return force_rule_contacts(self._state.body_force, self._state.object_force, self._contact_free)
        return self.contacts()
