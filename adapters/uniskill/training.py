"""Joint training of inverse and forward dynamics."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hoigym.adapters.learning.fit import fit
from hoigym.adapters.learning.learner import Batch, FitResult
from hoigym.adapters.learning.state import load_weights
from hoigym.adapters.uniskill.config import UniSkillConfig, Variation
from hoigym.adapters.uniskill.depth import DepthEstimator, as_pixels, load_depth_estimator, resized
from hoigym.adapters.uniskill.footage import Footage
from hoigym.adapters.uniskill.forward import mean_squared_change
from hoigym.adapters.uniskill.isd import in_sequence
from hoigym.adapters.uniskill.model import UniSkill
from hoigym.adapters.uniskill.pairs import FramePairs, fixed_batch, jitter, shuffled
from hoigym.adapters.uniskill.pretrained import UNET, find_start, load_uniskill, read_unet, read_weights
from hoigym.adapters.uniskill.published import open_footage
from hoigym.core.errors import UserError
from hoigym.core.run_folder import CONFIG_FILE

_VALIDATION_PAIRS = 48
_SHOWN = 6
# Of validation pictures [pixels].
_SHOWN_SIZE, _FRAME = 96, 2


def train(config: UniSkillConfig, run_dir: Path, resume: bool, plain: Mapping[str, Any]) -> FitResult:
    """Trains in a folder (see `fit`); plain: the configuration as config.yaml keeps it.

    Raises UserError for data, weights or a folder that cannot be used.
    """
    pairs = _pairs(config, held_out=False)
    held_out = _pairs(config, held_out=True)
    if not len(pairs):
        raise UserError(f"{config.data.path}: no take is long enough for a pair of pictures")
    torch.manual_seed(config.fit.seed)
    model = UniSkill(config.isd, config.forward)
    if not resume:
        _start_weights(model, config)
    learner = UniSkillLearner(model, config, fixed_batch(held_out, _VALIDATION_PAIRS) if len(held_out) else None)
    return fit(learner, pairs, run_dir, config.fit, resume, plain)


class UniSkillLearner:
    """Both models under one loss, that of the forward model: the inverse one has none of its own.

    held_out: pairs to validate with.
    """

    def __init__(self, model: UniSkill, config: UniSkillConfig, held_out: Batch | None) -> None:
        self.module = model
        self._config, self._held_out = config, held_out
        self._estimator: DepthEstimator | None = None

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        depth = self._depth(batch)
        images = batch["images"]
        if self._config.jitter:
            images = jitter(images, self._config.jitter, generator)
        context = self.module.isd.context(self.module.skill(images, depth))
        return self.module.forward_model.loss(batch["now"], batch["following"], context, generator)

    def optimizer(self) -> torch.optim.Optimizer:
        config = self._config
        return torch.optim.AdamW(self.module.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def schedule(self, step: int) -> float:
        config = self._config
        rise = min(1.0, (step + 1) / max(1, config.warm_up))
        done = min(1.0, step / config.fit.steps)
        return rise * (0.5 + 0.5 * math.cos(math.pi * done)) if config.decay else rise

    def validate(self, step: int) -> Mapping[str, float | np.ndarray]:
        """Errors of the predicted picture over those of copying the current one, with z and with z of other pairs."""
        if self._held_out is None:
            return {}
        device = self.module.isd.pos_embed_spatial.device
        batch = {name: value.to(device) for name, value in self._held_out.items()}
        now, following = batch["now"], batch["following"]
        skill = self.module.skill(batch["images"], self._depth(batch))
        copying = mean_squared_change(now, following).sum().clamp_min(1e-12)
        predicted = self.module.predict(now, skill)
        of_others = self.module.predict(now, shuffled(skill))
        return {
            "error": float((predicted - following).square().mean((1, 2, 3)).sum() / copying),
            "error_shuffled": float((of_others - following).square().mean((1, 2, 3)).sum() / copying),
            "frame_prediction_target": comparison(now[:_SHOWN], predicted[:_SHOWN], following[:_SHOWN]),
        }

    def _depth(self, batch: Batch) -> Tensor:
        """Depth of the pairs, estimated where the data has none."""
        if "depth" in batch:
            return batch["depth"]
        images = batch["images"].flatten(0, 1)
        if self._estimator is None:
            self._estimator = load_depth_estimator(self._config.depth_model, images.device)
        depth = resized(self._estimator(as_pixels(images)).float(), self._config.isd.resolution, antialias=False)
        return depth.unflatten(0, batch["images"].shape[:2])


def comparison(*columns: Tensor) -> np.ndarray:
    """Pictures (N, 3, S, S) in 0 .. 1 side by side, one row for each n, enlarged, in white frames; (H, W, 3) uint8."""
    factor = max(1, _SHOWN_SIZE // columns[0].shape[-1])
    large = [column.repeat_interleave(factor, 2).repeat_interleave(factor, 3) for column in columns]
    framed = [functional.pad(column, [_FRAME] * 4, value=1.0).permute(0, 2, 3, 1) for column in large]
    return (torch.cat(framed, 2).flatten(0, 1).clamp(0, 1) * 255).round().byte().cpu().numpy()


def _pairs(config: UniSkillConfig, held_out: bool) -> FramePairs:
    if not config.data.path:
        raise UserError("data.path is missing: a store of `uniskill render`, a folder of videos, or a data set")
    footage: Footage = open_footage(config.data, held_out)
    vary = Variation() if held_out else config.vary
    return FramePairs(footage, config.isd.resolution, config.forward.resolution, vary)


def _start_weights(model: UniSkill, config: UniSkillConfig) -> None:
    if config.trunk_weights:
        path = Path(config.trunk_weights)
        load_weights(model.isd.visual_encoder, in_sequence(read_weights(path)), str(path))
    if not config.start_from:
        return
    if (Path(config.start_from) / CONFIG_FILE).is_file():
        earlier = load_uniskill(Path(config.start_from)).state_dict()
        load_weights(model, earlier, config.start_from)
        return
    file, unet = find_start(config.start_from)
    if file:
        load_weights(model.isd, read_weights(file), str(file))
    if unet and config.forward.kind == "diffusion":
        load_weights(model.forward_model.get_submodule(UNET), read_unet(unet), str(unet))
    elif not file:
        raise UserError(f"{unet}: of a diffusion forward model, which forward.kind {config.forward.kind} is not")
