"""What a linear map can read from a representation of a pair: does it hold motion, or looks?"""

import torch
from torch import Tensor

from motions.library import MotionLibrary
from motions.rotations import heading, heading_inverse, quat_rotate, wrap_angle
from motions.skills import OBJECTLESS_SKILLS

_RIDGE = 0.01


def motion_targets(library: MotionLibrary, rows: Tensor) -> dict[str, Tensor]:
    """What happens between two library rows (N, 2), in the heading frame of the first: by name (N, d).

    root_velocity: horizontal mean velocity of the root [m/s]. heading_change [rad]. ball_velocity: mean velocity of
    the ball [m/s]. contact: the share of the time in which a hand holds it.
    """
    first, second = rows.unbind(1)
    now, then = library.reference(first), library.reference(second)
    seconds = (second - first)[:, None] / library.fps
    turn = heading_inverse(now.root_quat)
    held = torch.cat((torch.zeros(1), _contact(library).cumsum(0)))
    return {
        "root_velocity": quat_rotate(turn, then.root_pos - now.root_pos)[:, :2] / seconds,
        "heading_change": wrap_angle(heading(then.root_quat) - heading(now.root_quat))[:, None],
        "ball_velocity": quat_rotate(turn, then.object_pos[:, 0] - now.object_pos[:, 0]) / seconds,
        "contact": ((held[second + 1] - held[first]) / (second - first + 1))[:, None],
    }


def uses_object(library: MotionLibrary, skill: Tensor) -> Tensor:
    """Whether skills (N,) use an object, (N,) bool."""
    without = torch.tensor(OBJECTLESS_SKILLS[library.skeleton.name])
    return ~torch.isin(skill, without)


def linear_probe(train: Tensor, train_target: Tensor, test: Tensor, test_target: Tensor) -> float:
    """R2 on test pairs of a ridge regression learned on others: 1 is perfect, 0 as good as the test mean.

    train, test: representations (N, D), (M, D); targets (N, d), (M, d). The mean over the d targets.
    """
    mean, std = train.mean(0), train.std(0).clamp_min(1e-6)
    inputs = (train.double() - mean) / std
    offset = train_target.double().mean(0)
    gram = inputs.T @ inputs + _RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, inputs.T @ (train_target.double() - offset))
    predicted = (test.double() - mean) / std @ weights + offset
    wrong = (predicted - test_target).square().sum(0)
    spread = (test_target - test_target.mean(0)).square().sum(0).clamp_min(1e-9)
    return float((1 - wrong / spread).mean())


def _contact(library: MotionLibrary) -> Tensor:
    return library.reference(torch.arange(library.num_frames)).contact[:, 0].float()
