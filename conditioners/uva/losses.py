"""What training minimises."""

from torch import Tensor

from conditioners.uva.config import LATENT_FRAMES, Mode
from conditioners.uva.draws import Draws
from conditioners.uva.error import UVAError
from conditioners.uva.heads import ChunkHead, DiffusionHead
from conditioners.uva.inputs import Hidden, ModelInput
from conditioners.uva.model import UVAModel
from conditioners.uva.modes import MODES


def mode_loss(
    model: UVAModel, given: ModelInput, mode: Mode, hidden: Hidden, draws: Draws
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one task mode: the sum of its parts, and the parts by name (video, wrist, action, proprioception).

    Video counts where tokens were hidden. Raises UVAError where a target is missing.
    """
    z = model(given, mode, hidden)
    spec, inputs = MODES[mode], model.config.inputs
    parts: dict[str, Tensor] = {}
    if spec.predicts_video:
        mask = hidden.tokens.repeat(1, LATENT_FRAMES)
        parts["video"] = _video(model, model.diffloss, given.future, z, mask, draws)
        if inputs.predict_wrist:
            parts["wrist"] = _video(model, model.diffloss_wrist, given.wrist_future, z, mask, draws)
    if spec.predicts_action and inputs.predict_action:
        parts["action"] = _chunk(model, model.diffactloss, given.action, z, draws)
    if inputs.predict_action and inputs.predict_proprioception:
        parts["proprioception"] = _chunk(model, model.diffproploss, given.proprioception_future, z, draws)
    total = sum(parts.values(), start=z.new_zeros(()))
    return total, parts


def _video(
    model: UVAModel, head: DiffusionHead, target: Tensor | None, z: Tensor, mask: Tensor, draws: Draws
) -> Tensor:
    if target is None:
        raise UVAError("training on video needs future frames, which are missing")
    loss = head.loss(model.to_tokens(target).flatten(0, 1), z.flatten(0, 1), draws)
    return (loss * mask.flatten()).sum() / mask.sum()


def _chunk(model: UVAModel, head: ChunkHead, target: Tensor | None, z: Tensor, draws: Draws) -> Tensor:
    if target is None:
        raise UVAError("training on actions needs the actions to come, which are missing")
    condition = head.condition(model.to_grid(z))
    return head.loss(target.flatten(0, 1), condition.flatten(0, 1), draws).mean()
