"""A policy that the audience steers while it acts."""

import functools
import math
from collections.abc import Sequence

import numpy as np
import torch

from envs.push import push
from envs.vector_env import HOIVectorEnv
from motions.skills import skill_name
from viewer.base import Moment, Viewer
from viewer.controls import Action, Controls
from viewer.keys import skill_keys
from viewer.placement import Placement
from viewer.rollout import Policy, rollout_moments, rollout_setup

PUSH_SPEED = 1.0  # [m/s]
_IDLE = 0.05  # between two looks at the controls while nothing moves [s]
SPACING = 2.0  # between figures side by side [m]


class LiveRollout:
    """Runs a policy in an environment until the viewer is closed, and does what is asked for between two steps.

    The first `rows` of env are shown side by side; what is asked for happens to all rows. A chosen skill holds until
    the episode ends, as in the released system: the next one asks for the skill of its clip.

    Attributes: controls, playing, steps (control steps so far), resets (asked for so far), ghost (whether the
    reference is shown).
    """

    def __init__(self, env: HOIVectorEnv, policy: Policy, controls: Controls, rows: int = 1, ghost: bool = False):
        self.controls, self.playing, self.steps, self.resets = controls, True, 0, 0
        self._env, self._policy, self._rows, self.ghost = env, policy, range(rows), ghost
        self._wanted_steps = 0
        self._generator = torch.Generator().manual_seed(env.config.seed)
        self._stands = side_by_side(rows)
        self._places = [Placement()] * rows
        self._observation = torch.empty(0)
        self._viewer: Viewer | None = None

    @property
    def figures(self) -> int:
        """How many rows are shown."""
        return len(self._rows)

    @property
    def actions(self) -> list[Action]:
        """Skills first, then the rest; skills that the environment's clips do not hold are not enabled."""
        skeleton = self._env.scene.skeleton.name
        known = self._env.library.clip_skill.unique().tolist()
        skills = [
            Action(
                skill_name(skeleton, skill),
                functools.partial(self.choose, skill),
                key,
                enabled=skill in known,
                skill=skill,
            )
            for skill, key in skill_keys(skeleton, known)
        ]
        rest = [
            Action("pause / go on", self.toggle, "space"),
            Action("single step", self.single_step, "n", held=True),
            Action("reset", self.reset, "backspace"),
            Action("push", self.push, "p"),
        ]
        if self._env.scene.num_projectiles:
            rest.append(Action("throw a box", self._env.throw, "t"))
        return skills + rest

    def run(self, viewer: Viewer) -> None:
        """Resets the environment and acts until the viewer is closed."""
        viewer.begin(rollout_setup(self._env, 0, len(self._rows), self.ghost))
        self._viewer = viewer
        with torch.no_grad():
            self.reset()
            while not viewer.closed:
                waiting = not (self.playing or self._wanted_steps)
                self.controls.carry_out(wait=_IDLE if waiting else 0.0)
                if self.playing or self._wanted_steps:
                    self._step()
                else:
                    viewer.idle()

    def choose(self, skill: int) -> None:
        """Asks every row for a skill."""
        self._env.skill.fill_(skill)

    def toggle(self) -> None:
        """Pauses or goes on."""
        self.playing = not self.playing

    def single_step(self) -> None:
        """Pauses after one more step."""
        self.playing = False
        self._wanted_steps += 1

    def reset(self) -> None:
        """Starts every row anew."""
        self._observation, _ = self._env.reset()
        self.resets += 1
        self._show(None, {})

    def push(self) -> None:
        """Gives every humanoid PUSH_SPEED in a random direction over the ground."""
        angle = 2 * math.pi * torch.rand(self._env.num_envs, generator=self._generator)
        push(self._env.sim, PUSH_SPEED * torch.stack((angle.cos(), angle.sin()), dim=1).to(self._env.device))

    def _step(self) -> None:
        self._wanted_steps = max(self._wanted_steps - 1, 0)
        self._observation, reward, _, _, info = self._env.step(self._policy(self._observation))
        self.steps += 1
        self._show(reward, info["reward_terms"])

    def _show(self, reward: torch.Tensor | None, terms: dict[str, torch.Tensor]) -> None:
        assert self._viewer is not None
        moments = rollout_moments(self._env, self.steps, self._rows, reward, terms, self.ghost)
        if self.figures > 1:
            self._arrange(moments)
        self._viewer.show([place.moment(each) for place, each in zip(self._places, moments, strict=True)])

    def _arrange(self, moments: Sequence[Moment]) -> None:
        """Lets humanoids whose episodes begin stand side by side, wherever they are in their own worlds."""
        for row, moment in zip(self._rows, moments, strict=True):
            if moment.begins:
                x, y = self._stands[row] - moment.pose.body_pos[0, :2]
                self._places[row] = Placement(shift=(float(x), float(y), 0.0))


def side_by_side(figures: int) -> np.ndarray:
    """Places (F, 2) [m] in a square around the origin."""
    columns = math.ceil(math.sqrt(figures))
    places = np.array([(index // columns, index % columns) for index in range(figures)], dtype=float)
    return SPACING * (places - places.mean(axis=0))
