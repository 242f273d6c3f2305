"""Motion library: clips on the device; any batch of (clip, frame) pairs is looked up with one gather."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hoigym.motions.clip import Clip, ClipError
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.rotations import exp_to_quat, quat_conj, quat_mul, quat_rotate, quat_to_exp, smooth_signs
from hoigym.motions.skeleton import Skeleton, load_skeleton
from hoigym.motions.state import FrameLayout, Frames


def derive_frames(clip: Clip, skeleton: Skeleton, stored_bodies: bool) -> dict[str, Tensor]:
    """Everything a library keeps of a clip, float64, by the names of `Frames`; (T, ...) each.

    Missing frames keep their zeros (identity orientation). Raises ClipError if stored_bodies is asked of a
    clip without them.
    """
    missing = torch.from_numpy(clip.missing)
    pose = {name: torch.from_numpy(array.copy()).double() for name, array in clip.arrays().items()}
    root_quat = smooth_signs(exp_to_quat(pose["root_rot"]))
    joint_quat = exp_to_quat(pose["joint_rot"])
    object_quat = _smooth_object_signs(exp_to_quat(pose["object_rot"]))
    body_pos = _body_positions(clip, skeleton, pose, root_quat, missing, stored_bodies)

    def linear(position: Tensor) -> Tensor:
        return _rate(position[1:] - position[:-1], clip.fps, missing)

    return {
        "root_pos": pose["root_pos"],
        "root_quat": root_quat,
        "root_lin_vel": linear(pose["root_pos"]),
        "root_ang_vel": _rate(_turn_world(root_quat), clip.fps, missing),
        "joint_rot": pose["joint_rot"],
        "joint_vel": _rate(_turn_local(joint_quat), clip.fps, missing),
        "body_pos": body_pos,
        "body_lin_vel": linear(body_pos),
        "object_pos": pose["object_pos"],
        "object_quat": object_quat,
        "object_lin_vel": linear(pose["object_pos"]),
        "object_ang_vel": _rate(_turn_world(object_quat), clip.fps, missing),
        "contact": pose["contact"],
    }


def _smooth_object_signs(quat: Tensor) -> Tensor:
    """`smooth_signs` for every object of (T, K, 4)."""
    return torch.cat([quat[:, :0], *(smooth_signs(one)[:, None] for one in quat.unbind(1))], dim=1)


def _body_positions(
    clip: Clip, skeleton: Skeleton, pose: dict[str, Tensor], root_quat: Tensor, missing: Tensor, stored: bool
) -> Tensor:
    if stored:
        if "body_pos" not in pose:
            raise ClipError(f"clip '{clip.name}'", "stores no body positions; use body_positions: kinematics")
        return pose["body_pos"]
    body_pos, _ = forward_kinematics(skeleton, pose["root_pos"], root_quat, pose["joint_rot"])
    body_pos[missing] = 0.0
    return body_pos


def _turn_local(quat: Tensor) -> Tensor:
    """Rotation vectors from each frame to the next, in the moving frame: (T, ..., 4) -> (T-1, ..., 3)."""
    return quat_to_exp(quat_mul(quat_conj(quat[:-1]), quat[1:]))


def _turn_world(quat: Tensor) -> Tensor:
    """Rotation vectors from each frame to the next, in the world frame: (T, ..., 4) -> (T-1, ..., 3)."""
    return quat_rotate(quat[:-1], _turn_local(quat))


def _rate(step: Tensor, fps: float, missing: Tensor) -> Tensor:
    """Velocities (T, ...) from steps (T-1, ...); zero at frame 0, carried across missing frames (T,)."""
    velocity = torch.cat((torch.zeros_like(step[:1]), step * fps))
    unknown = missing.clone()
    unknown[1:] |= missing[:-1]
    frames = torch.arange(len(velocity))
    source = torch.where(unknown, 0, frames).cummax(0).values
    return velocity[source]


# --- Clips on the device: any batch of (clip, frame) pairs is looked up with one gather -----------------------------


class MotionLibrary:
    """M clips of one skeleton, rate and object count K as one table of F frames.

    Args:
        clips: at least one; their order is the clip index.
        device: where the table lives.
        body_positions: "kinematics" recomputes body positions from the joint angles; "stored" takes those of
            the files (the BallPlay clips' disagree with their angles by 4 cm).

    Raises ClipError for no clip, for clips that differ in skeleton, rate or number of objects, and for
    "stored" with a clip that stores none.

    clip_start, clip_length, clip_skill: (M,) int64 on the device. frame_clip, frame_skill: (F,) int64; valid: (F,)
    bool, False where a frame is missing.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        device: str | torch.device = "cpu",
        body_positions: Literal["kinematics", "stored"] = "kinematics",
    ) -> None:
        _check_uniform(clips)
        self.skeleton = load_skeleton(clips[0].skeleton)
        self.fps = clips[0].fps
        self.device = torch.device(device)
        self.num_clips = len(clips)
        self.num_objects = clips[0].num_objects
        self.clip_names = tuple(clip.name for clip in clips)
        lengths = [clip.num_frames for clip in clips]
        self.num_frames = sum(lengths)
        self.clip_length = torch.tensor(lengths, device=self.device)
        self.clip_start = self.clip_length.cumsum(0) - self.clip_length
        self.frame_clip = torch.arange(len(clips), device=self.device).repeat_interleave(self.clip_length)
        self.clip_skill = torch.tensor([clip.skill for clip in clips], device=self.device)
        self.frame_skill = self.clip_skill[self.frame_clip]
        self.valid = torch.from_numpy(~np.concatenate([clip.missing for clip in clips])).to(self.device)
        self.content_hash = _content_hash(clips)
        self._layout = FrameLayout(self.skeleton.num_bodies, self.num_objects)
        self._table = torch.cat([self._rows(clip, body_positions) for clip in clips]).to(self.device)

    def frame_index(self, clip: Tensor, frame: Tensor) -> Tensor:
        """Table row of clips (...) and frames (...), broadcast; frames are clamped into their clip."""
        last = self.clip_length[clip] - 1
        return self.clip_start[clip] + frame.clamp_min(0).minimum(last)

    def reference(self, index: Tensor) -> Frames:
        """The frames at rows index (...), each quantity with those leading dimensions."""
        return Frames(self._table[index], self._layout)

    def _rows(self, clip: Clip, body_positions: str) -> Tensor:
        derived = derive_frames(clip, self.skeleton, stored_bodies=body_positions == "stored")
        return self._layout.pack({name: value.float() for name, value in derived.items()})


def _check_uniform(clips: Sequence[Clip]) -> None:
    if not clips:
        raise ClipError("motion library", "no clip; expected at least one")
    first = clips[0]
    for clip in clips[1:]:
        for what in ("skeleton", "fps", "num_objects"):
            mine, others = getattr(clip, what), getattr(first, what)
            if mine != others:
                problem = f"{what} {mine}, but '{first.name}' has {others}; expected one {what} in a library"
                raise ClipError(f"clip '{clip.name}'", problem)


def _content_hash(clips: Sequence[Clip]) -> str:
    """SHA-256 over everything but the names, in order; equal for a .pt clip and its .npz conversion."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(repr((clip.skill, clip.skeleton, float(clip.fps))).encode())
        for name, array in clip.arrays().items():
            digest.update(repr((name, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
