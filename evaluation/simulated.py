"""Trials of a policy in an environment."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from envs.reward import REWARDS
from envs.vector_env import HOIVectorEnv
from evaluation.disturbance import Disturbance
from evaluation.snapshot import Snapshot

Policy = Callable[[Tensor], Tensor]
"""Observations (N, O) to actions (N, A)."""


class SimulatedTrials:
    """One life for each row of an environment that ends no episode by itself (see `trial_config`).

    Args:
        env: N rows.
        policy: what acts.
        rows: (N,) library rows to start on, or near where the environment adds noise.
        steps: length of the trials.
        seed: of the environment's randomness.
        skill: the id that every row is asked for; that of its clip where None.
        to_clip_end: whether a trial ends with its clip, if that comes before `steps`.
        disturbance: what happens in between.
    """

    def __init__(
        self,
        env: HOIVectorEnv,
        policy: Policy,
        rows: Tensor,
        steps: int,
        seed: int,
        skill: int | None = None,
        to_clip_end: bool = False,
        disturbance: Disturbance | None = None,
    ):
        self._env, self._policy, self._rows = env, policy, rows
        self._steps, self._seed, self._skill = steps, seed, skill
        self._to_clip_end, self._disturbance = to_clip_end, disturbance
        self._reward = REWARDS[env.config.reward.kind]

    @torch.no_grad()
    def snapshots(self) -> Iterator[Snapshot]:
        """The start, then the state after each step."""
        env = self._env
        options = {"start": self._rows}
        if self._skill is not None:
            options["skill"] = torch.full_like(self._rows, self._skill)
        obs, _ = env.reset(seed=self._seed, options=options)
        lost = env.sim.state.diverged.clone()
        yield self._snapshot(torch.zeros(env.num_envs, device=env.device), lost)
        generator = torch.Generator(env.device).manual_seed(self._seed)
        for step in range(self._steps):
            if self._disturbance is not None and self._disturbance.due(step, env.library.fps):
                self._disturbance.apply(env, generator)
            obs, reward, terminated, truncated, info = env.step(self._policy(obs))
            # A row that ended starts anew within the step: what follows belongs to no trial.
            lost = lost | info["diverged"] | terminated | truncated
            yield self._snapshot(self._reward.share(reward, info["reward_terms"], env.object_free()), lost)

    def _snapshot(self, reward: Tensor, lost: Tensor) -> Snapshot:
        env, state = self._env, self._env.sim.state
        contacts = env.contacts()
        moved = env.progress - env.wait
        frame = env.start_frame + moved
        within = frame < env.library.clip_length[env.clip]
        return Snapshot(
            root_pos=state.root_pos,
            root_lin_vel=state.root_lin_vel,
            root_ang_vel=state.root_ang_vel,
            body_pos=state.body_pos,
            object_pos=state.object_pos,
            object_lin_vel=state.object_lin_vel,
            held=contacts.object,
            touching=contacts.body,
            active=~lost & (within | (not self._to_clip_end)),
            lost=lost,
            reference=env.reference(),
            referenced=within & (moved > 0) & env.library.valid[env.library.frame_index(env.clip, frame)],
            reward=reward,
        )
