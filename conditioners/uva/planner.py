"""A UVA model whose actions are plans: it looks at a humanoid, may read what is wanted, and says what comes next."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from conditioners.plan import RATE, plan_width
from conditioners.uva.config import CHUNK, LATENT_FRAMES
from conditioners.uva.error import UVAError
from conditioners.uva.policy import UVAPolicy
from conditioners.uva.pretrained import load_pretrained
from motions.library import MotionLibrary
from motions.skills import skill_name

PICTURES = LATENT_FRAMES
"""Pictures that a plan is made from; the last one shows the present."""
PICTURE_RATE = RATE * PICTURES / CHUNK
"""Pictures in a second [Hz]."""
_DRAWS = 8
"""Draws of a plan whose mean is taken: a policy wants the forecast, not one of the possible futures."""


class Planner:
    """Plans out of pictures and, of a model that reads text, of skills.

    policy: its actions are the steps of a plan, D numbers at 30 Hz, from the next one on. texts: the vector (512,) that
    names a skill, by its id; for a model that reads text.
    """

    def __init__(self, policy: UVAPolicy, seed: int = 0, texts: Mapping[int, Tensor] | None = None) -> None:
        self._policy = policy.eval()
        self._generator = torch.Generator().manual_seed(seed)
        self._texts = texts

    @property
    def width(self) -> int:
        """Numbers D in a step."""
        return self._policy.config.inputs.action_dim

    @property
    def picture_size(self) -> int:
        """Pixels a side."""
        return self._policy.config.image_size

    def plan(self, pictures: Tensor, skill: Tensor) -> Tensor:
        """Plans (B, 16, D) of the latest pictures (B, 4, H, W, 3) uint8, 7.5 Hz apart, and the skills (B,) wanted."""
        frames = pictures.permute(0, 1, 4, 2, 3).float() / 255
        # The model looks at every fourth of sixteen observations; those between are never touched.
        history = frames.repeat_interleave(CHUNK // PICTURES, dim=1)
        seen = {"image": history}
        if self._texts is not None:
            seen["text"] = torch.stack([self._texts[one] for one in skill.tolist()])
        repeated = {name: value.repeat(_DRAWS, *[1] * (value.ndim - 1)) for name, value in seen.items()}
        drawn = self._policy.predict_action(repeated, self._generator)
        return drawn["action_pred"].unflatten(0, (_DRAWS, len(pictures))).mean(0)


def load_planner(path: Path, library: MotionLibrary, sentences: str = "", seed: int = 0) -> Planner:
    """The planner in a folder, for the skills of these clips.

    sentences: file of `uva text` with the skills' names, for a model that reads text. Raises UVAError where plans of
    these clips have another number of numbers, and where sentences are missing or not read.
    """
    policy = load_pretrained(path)
    inputs, width = policy.config.inputs, plan_width(library)
    if inputs.action_dim != width:
        raise UVAError(f"{path}: predicts {inputs.action_dim} numbers a step; a plan of these clips has {width}")
    if bool(sentences) != inputs.text:
        wish = "reads text: it needs" if inputs.text else "reads no text: leave out"
        raise UVAError(f"{path}: this planner {wish} sentences, the file of the skills' names")
    return Planner(policy, seed, _texts(library, Path(sentences)) if sentences else None)


def _texts(library: MotionLibrary, sentences: Path) -> dict[int, Tensor]:
    from conditioners.uva.text import vectors_of

    skills = library.clip_skill.unique().tolist()
    names = [skill_name(library.skeleton.name, skill) for skill in skills]
    return dict(zip(skills, vectors_of(names, sentences), strict=True))
