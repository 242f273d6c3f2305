"""Rollout of a policy: shown as it acts, or steered by the audience."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from hoigym.envs.perturbation import push
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.skill_set import load_skill_set
from hoigym.rendering.pose import Pose, looks_of, looks_of_projectiles
from hoigym.viewer.base import Moment, Setup, Viewer
from hoigym.viewer.controls import Action, Controls
from hoigym.viewer.replay import Placement

Policy = Callable[[Tensor], Tensor]
"""Observations (N, O) to actions (N, A)."""


def watch(
    env: HOIVectorEnv,
    policy: Policy,
    viewer: Viewer,
    steps: int,
    rows: int = 1,
    ghost: bool = False,
    throw_every: float = 0.0,
) -> tuple[int, float]:
    """Resets env, runs policy and shows the first rows, until steps are done or the viewer is closed.

    ghost: whether the reference is shown too. throw_every: seconds between boxes thrown at every row, 0 for none.
    Returns the steps done, and the mean reward per step over all rows.
    """
    viewer.begin(rollout_setup(env, steps, rows, ghost))
    period = max(1, round(throw_every / env.sim.control_dt)) if throw_every else steps + 1
    observation, _ = env.reset()
    total = 0.0
    done = 0
    with torch.no_grad():
        for step in range(steps):
            if viewer.closed:
                break
            if (step + 1) % period == 0:
                env.throw()
            observation, reward, _, _, info = env.step(policy(observation))
            total += float(reward.mean())
            done = step + 1
            viewer.show(rollout_moments(env, done, range(rows), reward, info["reward_terms"], ghost))
    return done, total / max(done, 1)


def rollout_setup(env: HOIVectorEnv, steps: int, rows: int, ghost: bool = False) -> Setup:
    """What a viewer needs to know before a rollout of steps in which some rows are shown."""
    return Setup(
        skeleton=env.scene.skeleton,
        objects=looks_of(env.scene.config),
        figures=rows,
        dt=env.sim.control_dt,
        steps=steps,
        ghost=ghost,
        projectiles=looks_of_projectiles(env.scene.config),
    )


def rollout_moments(
    env: HOIVectorEnv,
    step: int,
    rows: Sequence[int],
    reward: Tensor | None,
    reward_terms: Mapping[str, Tensor],
    ghost: bool = False,
) -> list[Moment]:
    """The moments of some rows after control step `step`; reward and its terms (N,) are those of the step, if any."""
    reference = env.reference()
    hands = list(env.scene.skeleton.hands)
    ghosts = _reference_poses(env, rows) if ghost else [None] * len(rows)
    touch = env.sim.state.object_contact[:, hands].flatten(1).any(dim=1)
    label = (reference.contact[:, : env.scene.num_objects] > 0).any(dim=1)
    return [
        Moment(
            pose=Pose.of_state(env.sim.state, row),
            ghost=pose,
            skill=load_skill_set(env.scene.skeleton.name).name_of(int(env.skill[row])),
            skill_id=int(env.skill[row]),
            begins=bool(env.progress[row] == 0),
            caption=_caption(env, row),
            time=step * env.sim.control_dt,
            label=bool(label[row]),
            touch=bool(touch[row]),
            reward=None if reward is None else float(reward[row]),
            reward_terms={name: float(term[row]) for name, term in reward_terms.items()},
        )
        for row, pose in zip(rows, ghosts, strict=True)
    ]


def _caption(env: HOIVectorEnv, row: int) -> str:
    clip = int(env.clip[row])
    moved = max(int(env.progress[row] - env.wait[row]), 0)
    frame = min(int(env.start_frame[row]) + moved, int(env.library.clip_length[clip]) - 1)
    return f"{env.library.clip_names[clip]}  frame {frame}"


def _reference_poses(env: HOIVectorEnv, rows: Sequence[int]) -> list[Pose]:
    frames = env.reference()
    index = list(rows)
    body_pos, body_quat = forward_kinematics(
        env.scene.skeleton, frames.root_pos[index], frames.root_quat[index], frames.joint_rot[index]
    )
    objects = env.scene.num_objects
    nothing = torch.zeros(env.scene.skeleton.num_bodies + objects, dtype=torch.bool).numpy()
    return [
        Pose(
            body_pos=body_pos[place].cpu().numpy(),
            body_quat=body_quat[place].cpu().numpy(),
            object_pos=frames.object_pos[row, :objects].cpu().numpy(),
            object_quat=frames.object_quat[row, :objects].cpu().numpy(),
            body_touch=nothing[objects:],
            object_touch=nothing[:objects],
        )
        for place, row in enumerate(index)
    ]


# --- A policy that the audience steers while it acts ----------------------------------------------------------------


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
        offered = self._env.config.skill_set
        known = self._env.library.clip_skill.unique().tolist()
        skills = [
            Action(
                offered.name_of(skill),
                functools.partial(self.choose, skill),
                key,
                enabled=skill in known,
                skill=skill,
            )
            for skill, key in offered.keys(known)
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
