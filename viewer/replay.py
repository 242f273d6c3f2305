"""Shows clips kinematically: every frame as it stands in the file, without physics."""

from collections.abc import Sequence

import numpy as np
import torch

from envs.drawing.pose import Pose
from motions.clip import Clip
from motions.kinematics import forward_kinematics
from motions.rotations import exp_to_quat
from motions.skeleton import load_skeleton
from motions.skills import skill_name
from viewer.base import Moment, Setup, Viewer
from viewer.proxies import looks_of_clip
from viewer.touch import touching_hands


def replay(clips: Sequence[Clip], viewer: Viewer) -> None:
    """Shows clips one after another, until they end or the viewer is closed."""
    for clip in clips:
        viewer.begin(clip_setup(clip))
        for moment in clip_moments(clip):
            if viewer.closed:
                return
            viewer.show([moment])


def clip_setup(clip: Clip) -> Setup:
    """What a viewer needs to know before a clip."""
    return Setup(
        skeleton=load_skeleton(clip.skeleton),
        objects=looks_of_clip(clip),
        figures=1,
        dt=1.0 / clip.fps,
        steps=clip.num_frames,
    )


def clip_moments(clip: Clip) -> list[Moment]:
    """The frames of a clip.

    Bodies stand where the joint angles put them; a missing frame shows the last one that is there. An object
    has the colour of contact where its label is set, a hand where it is at the ball.
    """
    skeleton = load_skeleton(clip.skeleton)
    present = _last_present(clip.missing)
    arrays = {name: torch.from_numpy(array[present]) for name, array in clip.arrays().items()}
    body_pos, body_quat = forward_kinematics(
        skeleton, arrays["root_pos"], exp_to_quat(arrays["root_rot"]), arrays["joint_rot"]
    )
    object_quat = exp_to_quat(arrays["object_rot"]).numpy()
    touching = np.zeros(body_pos.shape[:2], dtype=bool)
    for slot, look in enumerate(looks_of_clip(clip)):
        if look.shape == "ball":
            ball_pos = arrays["object_pos"][:, slot]
            touching |= touching_hands(skeleton, body_pos, body_quat, ball_pos, radius=look.size[0])
    labels = clip.contact > 0
    return [
        Moment(
            pose=Pose(
                body_pos=body_pos[frame].numpy(),
                body_quat=body_quat[frame].numpy(),
                object_pos=arrays["object_pos"][frame].numpy(),
                object_quat=object_quat[frame],
                body_touch=touching[frame],
                object_touch=labels[frame],
            ),
            skill=skill_name(clip.skeleton, clip.skill),
            skill_id=clip.skill,
            caption=f"{clip.name}  frame {frame}" + (" (missing)" if clip.missing[frame] else ""),
            time=frame / clip.fps,
            label=bool(labels[frame].any()),
            touch=bool(touching[frame].any()),
        )
        for frame in range(clip.num_frames)
    ]


def _last_present(missing: np.ndarray) -> np.ndarray:
    """For each frame the last one up to it that is not missing; the first such one before that. (T,)."""
    frames = np.arange(len(missing))
    first = int(np.argmin(missing))
    return np.maximum.accumulate(np.where(missing, first, frames))
