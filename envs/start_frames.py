"""Which reference frames episodes may start on."""

import torch
from torch import Tensor

from envs.config import StartConfig
from envs.penetration import hand_ball_penetration
from envs.scene.scene import Scene
from motions.errors import UserError
from motions.library import MotionLibrary

FIRST_START = 2
"""The first two frames of a clip have no usable velocity."""
_LAST_START = -2  # the last frame leaves nothing to follow


def start_frames(config: StartConfig, library: MotionLibrary, scene: Scene) -> Tensor:
    """Frames an episode may start on, (F,) bool.

    Those from a clip's third to its last but one that are not missing, narrowed down by clip, frame and penetration.

    Raises UserError for a clip or frame that is not there, and where nothing is left.
    """
    frame = torch.arange(library.num_frames, device=library.device) - library.clip_start[library.frame_clip]
    last = library.clip_length[library.frame_clip] + _LAST_START
    allowed = library.valid & (frame >= FIRST_START) & (frame <= last)
    if config.clip is not None:
        if not 0 <= config.clip < library.num_clips:
            raise UserError(f"start.clip {config.clip}: the library has clips 0 to {library.num_clips - 1}")
        allowed &= library.frame_clip == config.clip
    if config.frame is not None:
        if config.frame < FIRST_START:
            raise UserError(f"start.frame {config.frame}: the first usable frame is {FIRST_START}")
        allowed &= frame == config.frame
    if config.max_penetration is not None:
        allowed &= _penetration(library, scene) <= config.max_penetration
    if not allowed.any():
        raise UserError("no start frame is left: loosen start.clip, start.frame or start.max_penetration")
    return allowed


def _penetration(library: MotionLibrary, scene: Scene) -> Tensor:
    """Deepest overlap of a hand with any ball in every frame, (F,) [m]."""
    frames = library.reference(torch.arange(library.num_frames, device=library.device))
    depth = torch.full((library.num_frames,), -torch.inf, device=library.device)
    for slot, ball in enumerate(scene.config.objects):
        here = hand_ball_penetration(
            library.skeleton,
            frames.root_pos,
            frames.root_quat,
            frames.joint_rot,
            frames.object_pos[:, slot],
            ball.radius,
        )
        depth = torch.maximum(depth, here)
    return depth
