"""How well a model predicts windows that it has not seen, beside simple guesses."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hoigym.adapters.uva.config import Mode
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.model import MODES, ModelInput
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.sampling import sample
from hoigym.adapters.uva.windows import model_input

_SEED = 0
_ITERATIONS = 4
_DRAWS = 8
_SHOWN = 4


class Errors(NamedTuple):
    """Mean squared errors of one mode and the same divided by those of a simple guess.

    Actions: normalised, beside the mean chunk of the same windows, the best constant. Video: of pictures in [0, 1] as
    the autoencoder gives them back, beside the present going on unchanged.
    """

    error: float
    ratio: float


@torch.no_grad()
def validate(policy: UVAPolicy, examples: dict[str, Tensor], modes: Sequence[Mode]) -> dict[str, float | np.ndarray]:
    """Errors of each mode, as curves, and a picture: past, true future, one draw of the predicted future.

    Of modes that see the same, and so draw the same video, the first alone is drawn.
    """
    given = model_input(policy, examples, _draws(policy))
    results: dict[str, float | np.ndarray] = {}
    filmed = set()
    for mode in modes:
        spec = MODES[mode]
        sees = (spec.history, spec.future, spec.action)
        name = mode.removesuffix("_model")
        if spec.predicts_action and not spec.predicts_video and policy.config.inputs.predict_action:
            results[f"action_error_{name}"], results[f"action_ratio_{name}"] = action_errors(policy, given, mode)
        if spec.predicts_video and sees not in filmed:
            filmed.add(sees)
            drawn = predict_videos(policy, given, mode)
            results[f"video_error_{name}"], results[f"video_ratio_{name}"] = video_errors(policy, given, drawn)
            results[f"video_{name}"] = strip(policy, given, drawn[0])
    return results


def action_errors(policy: UVAPolicy, given: ModelInput, mode: Mode) -> Errors:
    """Of actions sampled at temperature 0."""
    assert given.action is not None
    found = sample(policy.model, given, mode, _draws(policy), temperature=0.0).action
    assert found is not None
    error = float((found - given.action).square().mean())
    return Errors(error, error / float((given.action - given.action.mean(0)).square().mean().clamp_min(1e-12)))


def predict_videos(policy: UVAPolicy, given: ModelInput, mode: Mode) -> list[Tensor]:
    """Draws of the future, latent frames (B, 4, C, h, w) each, at the model's temperature.

    At temperature 0 a sample would be the likeliest token at each place, and where it is not certain that something
    will be there, that is the background.
    """
    draws, heat = _draws(policy), policy.config.temperature
    found = [sample(policy.model, given, mode, draws, iterations=_ITERATIONS, temperature=heat) for _ in range(_DRAWS)]
    return [one.video for one in found if one.video is not None]


def video_errors(policy: UVAPolicy, given: ModelInput, drawn: Sequence[Tensor]) -> Errors:
    """Of the mean of the drawn pictures, the forecast, beside copies of the present."""
    assert given.future is not None
    true, now = policy.decode(given.future), policy.decode(given.history[:, -1:])
    forecast = torch.stack([policy.decode(one) for one in drawn]).mean(0)
    error = float((forecast - true).square().mean())
    return Errors(error, error / float((now - true).square().mean().clamp_min(1e-12)))


def strip(policy: UVAPolicy, given: ModelInput, predicted: Tensor) -> np.ndarray:
    """Rows of eight pictures, (H, W, 3) uint8: for each sample past and true future, below it the predicted one."""
    assert given.future is not None
    count = min(_SHOWN, len(predicted))
    past = policy.decode(given.history[:count])
    true, guess = policy.decode(given.future[:count]), policy.decode(predicted[:count])
    rows = torch.cat([torch.cat([past, true], 1), torch.cat([torch.ones_like(past), guess], 1)], 1)
    rows = rows.unflatten(1, (2, -1)).flatten(0, 1)
    picture = torch.cat([torch.cat(list(row), dim=-1) for row in rows], dim=-2)
    return (picture.movedim(0, -1) * 255.0).round().byte().cpu().numpy()


def _draws(policy: UVAPolicy) -> Draws:
    device = next(policy.parameters()).device
    return Draws(torch.Generator(device).manual_seed(_SEED))
