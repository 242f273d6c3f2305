"""What a model is given for one batch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from conditioners.uva.config import CHUNK, UVAConfig
from conditioners.uva.draws import Draws

PROPRIOCEPTION: dict[str, dict[str, int]] = {
    "none": {},
    "agent": {"agent_pos": 2},
    "umi": {
        "robot0_eef_pos": 3,
        "robot0_eef_rot_axis_angle": 6,
        "robot0_gripper_width": 1,
        "robot0_eef_rot_axis_angle_wrt_start": 6,
    },
    "toolhang": {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2},
}
"""Fields of each kind of proprioception in the order in which they are joined, and their widths."""
PREDICTED: dict[str, tuple[str, ...]] = {
    "none": (),
    "agent": ("agent_pos",),
    "umi": ("robot0_eef_rot_axis_angle_wrt_start",),
    "toolhang": ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"),
}
"""Fields whose future a proprioception head predicts."""


@dataclass(frozen=True)
class ModelInput:
    """One batch of B samples: 4 latent frames (B, 4, C, h, w) before and after now, and what goes with them.

    history, future: the main camera; wrist_history, wrist_future: the second one. action, history_action
    (B, 16, A): normalised. proprioception (B, 16 or 4, P). proprioception_future (B, 16, Q). text (B, 512).
    A mode takes what it needs and ignores the rest.
    """

    history: Tensor
    future: Tensor | None = None
    action: Tensor | None = None
    history_action: Tensor | None = None
    text: Tensor | None = None
    proprioception: Tensor | None = None
    proprioception_future: Tensor | None = None
    wrist_history: Tensor | None = None
    wrist_future: Tensor | None = None


@dataclass(frozen=True)
class Hidden:
    """What is hidden from a batch. tokens (B, S) bool, the same in all frames; text (B,) and history_action
    (B, 16) bool, None for nothing.
    """

    tokens: Tensor
    text: Tensor | None = None
    history_action: Tensor | None = None


def draw_hidden(config: UVAConfig, batch: int, draws: Draws) -> Hidden:
    """What training hides: a share of tokens from 0.7 up, denser toward all, at random places."""
    tokens = config.grid**2
    share = _share(draws.uniform(1).item())
    order = draws.uniform(batch, tokens).argsort(1)
    text = draws.uniform(batch) < config.inputs.text_drop if config.inputs.text else None
    keep = config.inputs.history_action_keep
    actions = draws.uniform(batch, CHUNK) >= keep if config.inputs.history_action else None
    return Hidden(first_of(order, math.ceil(share * tokens)), text, actions)


def first_of(order: Tensor, count: int) -> Tensor:
    """True at the first `count` places that each row of order (B, S) names, (B, S) bool."""
    mask = torch.zeros_like(order, dtype=torch.bool)
    return mask.scatter(1, order[:, :count], True)


def _share(uniform: float) -> float:
    """A uniform number as one of a normal distribution about 1 with deviation 0.25, cut to 0.7 .. 1."""
    least = 0.5 * (1.0 + math.erf((0.7 - 1.0) / 0.25 / math.sqrt(2.0)))
    point = torch.tensor(least + uniform * (0.5 - least), dtype=torch.float64)
    return min(1.0, 1.0 + 0.25 * float(torch.special.ndtri(point)))


def join_fields(values: Mapping[str, Tensor], names: Mapping[str, int] | tuple[str, ...], suffix: str = "") -> Tensor:
    """The named fields (B, R, w) side by side, (B, R, sum of w)."""
    return torch.cat([values[name + suffix] for name in names], dim=-1)
