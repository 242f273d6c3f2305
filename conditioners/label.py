"""The skill id itself as the condition."""

from torch import Tensor
from torch.nn import functional

from conditioners.base import ConditionQuery, SkillConditioner
from motions.clip import NUM_SKILLS


class LabelConditioner(SkillConditioner):
    """One-hot of the skill id, 0 .. 63: the published skill label. Another id is an error (RuntimeError)."""

    width = NUM_SKILLS

    def __call__(self, query: ConditionQuery) -> Tensor:
        return functional.one_hot(query.skill, self.width).float()
