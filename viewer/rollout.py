"""Shows a policy at work in an environment."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from envs.drawing.look import looks_of, looks_of_projectiles
from envs.drawing.pose import Pose
from envs.vector_env import HOIVectorEnv
from motions.kinematics import forward_kinematics
from motions.skills import skill_name
from viewer.base import Moment, Setup, Viewer

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
            skill=skill_name(env.scene.skeleton.name, int(env.skill[row])),
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
