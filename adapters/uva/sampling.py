"""Actions and video out of a model."""

import math
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from hoigym.adapters.uva.config import LATENT_FRAMES, Mode
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.heads import DiffusionHead
from hoigym.adapters.uva.model import MODES, Hidden, ModelInput, UVAModel, first_of


class Sample(NamedTuple):
    """action (B, 16, A), normalised; video and wrist: future latent frames (B, 4, C, h, w). None where not asked."""

    action: Tensor | None
    video: Tensor | None
    wrist: Tensor | None


@torch.no_grad()
def sample(
    model: UVAModel,
    given: ModelInput,
    mode: Mode,
    draws: Draws,
    *,
    iterations: int = 1,
    temperature: float = 0.95,
    order: Tensor | None = None,
    actions_from: Literal["first", "last"] = "first",
) -> Sample:
    """Samples what a mode predicts; a video grows over `iterations`, more tokens in each.

    order: (B, S), in which tokens come; drawn where None. actions_from: the iteration whose latent gives the
    actions. The first sees no predicted token, so its actions are those of policy_model; the published
    sampler returns those of the last.
    """
    spec, inputs = MODES[mode], model.config.inputs
    batch, tokens = len(given.history), model.config.grid**2
    masked = given.history.new_full((batch, tokens), spec.future != "shown", dtype=torch.bool)
    if not spec.predicts_video:
        z = model(given, mode, Hidden(masked))
        return Sample(_action(model, z, draws, temperature), None, None)
    action, video = None, torch.zeros_like(given.history)
    wrist = torch.zeros_like(given.history) if inputs.predict_wrist else None
    for index in range(iterations):
        z = model(replace(given, future=video, wrist_future=wrist), mode, Hidden(masked))
        if inputs.predict_action and (index == 0 or actions_from == "last"):
            action = _action(model, z, draws, temperature)
        # Drawn after the first actions, so that these are the same as without a video.
        order = draws.uniform(batch, tokens).argsort(1) if order is None else order
        left = _left(masked, order, index, iterations)
        video = _fill(model, model.diffloss, video, z, masked & ~left, draws, temperature)
        if wrist is not None:
            wrist = _fill(model, model.diffloss_wrist, wrist, z, masked & ~left, draws, temperature)
        masked = left
    return Sample(action, video, wrist)


def _action(model: UVAModel, z: Tensor, draws: Draws, temperature: float) -> Tensor:
    condition = model.diffactloss.condition(model.to_grid(z))
    return model.diffactloss.sample(condition.flatten(0, 1), draws, temperature).unflatten(0, condition.shape[:2])


def _fill(
    model: UVAModel, head: DiffusionHead, frames: Tensor, z: Tensor, chosen: Tensor, draws: Draws, temperature: float
) -> Tensor:
    """frames with sampled tokens at the chosen places (B, S), the same in each frame."""
    places = chosen.repeat(1, LATENT_FRAMES)
    tokens = model.to_tokens(frames).clone()
    tokens[places] = head.sample(z[places], draws, temperature)
    return model.to_latents(tokens)


def _left(masked: Tensor, order: Tensor, index: int, iterations: int) -> Tensor:
    """What is still masked after this iteration (B, S): a cosine schedule (Chang et al. 2022, MaskGIT)."""
    if index + 1 == iterations:
        return torch.zeros_like(masked)
    tokens, current = masked.shape[1], int(masked[0].sum())
    count = math.floor(tokens * math.cos(math.pi / 2 * (index + 1) / iterations))
    return first_of(order, max(1, min(count, current - 1)))
