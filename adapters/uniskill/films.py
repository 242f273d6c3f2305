"""Films clips and rollouts into a store of rendered clips."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoigym.adapters.uniskill.store import Rendering, RenderStore
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from hoigym.motions.skeleton import Skeleton, load_skeleton
from hoigym.rendering.film import Look, film
from hoigym.rendering.pose import ObjectLook, Pose, looks_of
from hoigym.viewer.replay import clip_moments, looks_of_clip

# A rollout that fails sooner is not worth a film [s].
_SHORTEST = 1.0


@dataclass(frozen=True)
class Subject:
    """What is filmed: poses at fps. name: unique; clip: shown; first_row: of the library, -1 for none of its."""

    name: str
    clip: str
    skill: int
    fps: float
    first_row: int
    skeleton: Skeleton
    objects: tuple[ObjectLook, ...]
    poses: tuple[Pose, ...]


def clip_subjects(clips: Sequence[Clip]) -> Iterator[Subject]:
    """The clips of a library, in its order."""
    start = MotionLibrary(clips).clip_start
    for index, clip in enumerate(clips):
        yield Subject(
            name=f"{index:03d}",
            clip=clip.name,
            skill=clip.skill,
            fps=clip.fps,
            first_row=int(start[index]),
            skeleton=load_skeleton(clip.skeleton),
            objects=looks_of_clip(clip),
            poses=tuple(moment.pose for moment in clip_moments(clip)),
        )


@torch.no_grad()
def rollout_subjects(
    env: HOIVectorEnv, policy: Callable[[Tensor], Tensor], steps: int, fps: float, name: str = "rollout"
) -> Iterator[Subject]:
    """Rollouts of a policy, one for every stretch of a row between two resets or changes of the skill.

    fps: control steps a second. Stretches under a second are left out.
    """
    observation, _ = env.reset()
    poses: list[list[Pose]] = [[] for _ in range(env.num_envs)]
    skills = env.skill.tolist()
    clips = env.clip.tolist()
    count = 0
    for step in range(steps + 1):
        last = step == steps
        for row in range(env.num_envs):
            skill = int(env.skill[row])
            cut = last or skill != skills[row] or (bool(poses[row]) and int(env.progress[row]) == 0)
            if cut:
                if len(poses[row]) >= _SHORTEST * fps:
                    yield Subject(
                        name=f"{name}_{count:03d}",
                        clip=f"{name}_{count:03d} {env.library.clip_names[clips[row]]}",
                        skill=skills[row],
                        fps=fps,
                        first_row=-1,
                        skeleton=env.scene.skeleton,
                        objects=looks_of(env.scene.config),
                        poses=tuple(poses[row]),
                    )
                    count += 1
                poses[row], skills[row], clips[row] = [], skill, int(env.clip[row])
            poses[row].append(Pose.of_state(env.sim.state, row))
        if not last:
            observation, *_ = env.step(policy(observation))


def fill(
    store: RenderStore,
    subjects: Sequence[Subject],
    looks: Sequence[Look],
    variants: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Films every subject in every look and variant that the store lacks; returns the number of new films.

    Variant 0 is seen from the middle of the camera positions of its look. The draw of camera and colours depends on
    seed, subject, look and variant alone. progress: called with the films done and their number.
    """
    wanted = [(subject, look, variant) for look in looks for variant in range(variants) for subject in subjects]
    new = 0
    for done, (subject, look, variant) in enumerate(wanted):
        progress(done, len(wanted))
        name = f"{subject.name}_{look}_{variant}"
        if name not in store:
            _film(store, name, subject, look, variant, seed)
            new += 1
    progress(len(wanted), len(wanted))
    return new


def _film(store: RenderStore, name: str, subject: Subject, look: Look, variant: int, seed: int) -> None:
    facts = store.facts
    # Embodiments and colours are seen from the same places, so that these do not mix with what differs there.
    place = f"{subject.name}{'-side' * look.side}_{variant}"
    rng, camera_rng = (np.random.default_rng([seed, zlib.crc32(text.encode())]) for text in (name, place))
    camera_rng = None if variant == 0 else camera_rng
    poses, dt = subject.poses[:: facts.stride], facts.stride / subject.fps
    taken = film(subject.skeleton, subject.objects, poses, look, rng, camera_rng, facts.size, dt)
    rendering = Rendering(
        name=name,
        clip=subject.clip,
        skill=subject.skill,
        fps=subject.fps / facts.stride,
        num_frames=len(taken.rgb),
        first_row=subject.first_row,
        num_rows=len(subject.poses),
        embodiment=look.embodiment,
        colours="random" if look.random else "own",
        view=("unseen" if look.side else "usual") + ", following" * look.follow,
        variant=variant,
        seed=seed,
        appearance=_plain(taken.appearance),
        camera=_plain(taken.camera),
    )
    store.add(rendering, taken.rgb, taken.depth)


def _plain(values: Any) -> dict[str, Any]:
    """A dataclass as the index of a store gives it back."""
    return json.loads(json.dumps(asdict(values)))
