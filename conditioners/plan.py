"""Plans: what the humanoid and its object should do in the next half second, in few numbers.

A plan is easier to predict from pictures than joint angles are, says nothing of where in the world it happens, and
can be held against what came of it. A step of a plan holds, in the heading frame of the root at that step: velocity
of the root [m/s], rate of the heading [rad/s], key bodies relative to the root [m] (those of the imitation reward,
with the wrists in place of the finger tips), and for each object its place relative to the root [m] and its
velocity [m/s].
"""

import torch
from torch import Tensor

from hoigym.conditioners.table import ConditionTable
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import heading_inverse, quat_rotate
from hoigym.motions.skeleton import Skeleton

RATE = 30.0
"""Steps of a plan in a second [Hz]."""
STEPS = 16
KNOTS = (3, 7, 11, 15)
"""Steps that a policy is told: the others lie between them."""


def plan_bodies(skeleton: Skeleton) -> list[int]:
    """Bodies whose places a plan names: head, knees, elbows, ankles, wrists."""
    limbs = [body for body in skeleton.key_bodies if body not in skeleton.hands]
    return limbs + [body for body in skeleton.hands if body not in skeleton.fingers]


def plan_width(library: MotionLibrary) -> int:
    """Numbers in a step."""
    return 4 + 3 * len(plan_bodies(library.skeleton)) + 6 * library.num_objects


def plan_steps(library: MotionLibrary) -> Tensor:
    """The step that each frame of a library would be in a plan, (F, D)."""
    frames = library.reference(torch.arange(library.num_frames, device=library.device))
    turn = heading_inverse(frames.root_quat)
    root = frames.root_pos[:, None]
    bodies = frames.body_pos[:, plan_bodies(library.skeleton)] - root
    rows = [
        quat_rotate(turn, frames.root_lin_vel),
        frames.root_ang_vel[:, 2:],
        quat_rotate(turn[:, None], bodies).flatten(1),
        quat_rotate(turn[:, None], frames.object_pos - root).flatten(1),
        quat_rotate(turn[:, None], frames.object_lin_vel).flatten(1),
    ]
    return torch.cat(rows, dim=1)


def plans(library: MotionLibrary) -> Tensor:
    """What follows each frame of a library, (F, 16, D); at the end of a clip its last frame stays."""
    clip = library.frame_clip[:, None]
    frame = torch.arange(library.num_frames, device=library.device)[:, None] - library.clip_start[clip]
    ahead = torch.arange(1, STEPS + 1, device=library.device) * round(library.fps / RATE)
    return plan_steps(library)[library.frame_index(clip, frame + ahead)]


def plan_table(library: MotionLibrary, plan: Tensor, source: str) -> ConditionTable:
    """Plans (F, 16, D) of the frames of a library as the conditions of a policy: their knots, 4 D numbers a frame."""
    values = knots(plan)[None]
    return ConditionTable(values.float().cpu(), library.fps, library.content_hash, {"source": source})


def knots(plan: Tensor) -> Tensor:
    """What a policy is told of plans (..., 16, D), (..., 4 D)."""
    return plan[..., KNOTS, :].flatten(-2)
