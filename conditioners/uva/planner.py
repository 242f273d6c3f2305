"""A UVA model whose actions are plans: it looks at a humanoid and says what comes next."""

from pathlib import Path

import torch
from torch import Tensor

from conditioners.plan import RATE
from conditioners.uva.config import CHUNK, LATENT_FRAMES
from conditioners.uva.error import UVAError
from conditioners.uva.policy import UVAPolicy
from conditioners.uva.pretrained import load_pretrained

PICTURES = LATENT_FRAMES
"""Pictures that a plan is made from; the last one shows the present."""
PICTURE_RATE = RATE * PICTURES / CHUNK
"""Pictures in a second [Hz]."""
_DRAWS = 8
"""Draws of a plan whose mean is taken: a policy wants the forecast, not one of the possible futures."""


class Planner:
    """Plans out of pictures. policy: its actions are the steps of a plan, D numbers at 30 Hz, from the next one on."""

    def __init__(self, policy: UVAPolicy, seed: int = 0) -> None:
        self._policy = policy.eval()
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def width(self) -> int:
        """Numbers D in a step."""
        return self._policy.config.inputs.action_dim

    @property
    def picture_size(self) -> int:
        """Pixels a side."""
        return self._policy.config.image_size

    def plan(self, pictures: Tensor) -> Tensor:
        """Plans (B, 16, D) of the latest pictures (B, 4, H, W, 3) uint8, 7.5 Hz apart."""
        seen = pictures.permute(0, 1, 4, 2, 3).float() / 255
        # The model looks at every fourth of sixteen observations; those between are never touched.
        history = seen.repeat_interleave(CHUNK // PICTURES, dim=1)
        drawn = self._policy.predict_action({"image": history.repeat(_DRAWS, 1, 1, 1, 1)}, self._generator)
        return drawn["action_pred"].unflatten(0, (_DRAWS, len(pictures))).mean(0)


def load_planner(path: Path, width: int, seed: int = 0) -> Planner:
    """The planner in a folder; raises UVAError where its plans do not have `width` numbers a step."""
    planner = Planner(load_pretrained(path), seed)
    if planner.width != width:
        raise UVAError(f"{path}: predicts {planner.width} numbers a step; a plan of these clips has {width}")
    return planner
