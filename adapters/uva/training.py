"""Training of a UVA model from a replay buffer, in two stages."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from hoigym.adapters.learning.fit import fit
from hoigym.adapters.learning.learner import Batch, FitResult
from hoigym.adapters.learning.state import load_weights
from hoigym.adapters.uva.autoencoder import PatchAutoencoder
from hoigym.adapters.uva.config import LATENT_FRAMES, Mode, UVAError, UVATrainConfig
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.heads import ChunkHead, DiffusionHead
from hoigym.adapters.uva.model import MODES, Hidden, ModelInput, UVAModel, draw_hidden
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.pretrained import autoencoder_weights, load_pretrained, start_from, weights_to_start_from
from hoigym.adapters.uva.replay_buffer import ReplayBuffer
from hoigym.adapters.uva.validation import validate
from hoigym.adapters.uva.windows import (
    ReplayWindows,
    fit_arrays,
    model_input,
    read_buffer,
    split_episodes,
    to_pictures,
    windows_of,
    with_latents,
)
from hoigym.core.checkpoint import list_checkpoints, load_latest


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


# --- A UVA model under training -------------------------------------------------------------------------------------


_BETAS = (0.9, 0.95)


class UVALearner:
    """Draws a task mode for every batch and minimises its losses; the autoencoder and the normaliser stay.

    examples: a held-out batch for validation.
    """

    def __init__(self, policy: UVAPolicy, config: UVATrainConfig, examples: Batch) -> None:
        self.module = policy
        self._config, self._examples = config, examples
        policy.vae_model.requires_grad_(False)

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch in a random mode, and its parts by name."""
        draws = Draws(generator)
        modes = self._config.modes
        mode = modes[int(draws.integers(len(modes), 1))]
        given = model_input(self.module, batch, draws)
        hidden = draw_hidden(self.module.config, len(given.history), draws)
        return mode_loss(self.module.model, given, mode, hidden, draws)

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW; matrices and embeddings decay, vectors and biases do not."""
        trained = [value for value in self.module.model.parameters() if value.requires_grad]
        groups = [
            {"params": [value for value in trained if value.ndim > 1], "weight_decay": self._config.weight_decay},
            {"params": [value for value in trained if value.ndim == 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self._config.learning_rate, betas=_BETAS)

    def schedule(self, step: int) -> float:
        """A rise over the warm-up, then half a cosine to zero at the last step."""
        if step < self._config.warm_up:
            return (step + 1) / self._config.warm_up
        left = max(1, self._config.fit.steps - self._config.warm_up)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - self._config.warm_up) / left)))

    def validate(self, step: int) -> Mapping[str, float | np.ndarray]:
        """Errors of each mode beside those of simple guesses, and a picture of predicted video."""
        device = next(self.module.parameters()).device
        examples = {name: value.to(device) for name, value in self._examples.items()}
        return validate(self.module, examples, self._config.modes)


# --- Training of a UVA model from a replay buffer, in two stages ----------------------------------------------------


_EXAMPLES = 32
_FITTED_ON = 2000


def train(config: UVATrainConfig, run_dir: Path, resume: bool, run_config: Mapping[str, Any]) -> FitResult:
    """Trains, or goes on with the run in run_dir. run_config: what its config.yaml should say.

    Raises UVAError for data or weights that do not fit, and what `fit` raises.
    """
    config = config.for_stage()
    buffer = read_buffer(config.data, config.model.inputs)
    torch.manual_seed(config.fit.seed)
    policy = UVAPolicy(config.model)
    if resume and list_checkpoints(run_dir):
        _restore_fixed_parts(policy, run_dir)
    else:
        _prepare(policy, config, buffer)
    if config.data.cache:
        print(f"encoding {buffer.episode_ends[-1]} pictures ...", flush=True)
        on_gpu = config.fit.device == "auto" and torch.cuda.is_available()
        buffer = with_latents(buffer, policy, torch.device("cuda" if on_gpu else "cpu"))
    training, held_out = windows_of(buffer, config.data, config.model, _text(config, buffer))
    learner = UVALearner(policy, config, _examples(held_out))
    return fit(learner, training, run_dir, config.fit, resume, run_config)


def _prepare(policy: UVAPolicy, config: UVATrainConfig, buffer: ReplayBuffer) -> None:
    """Normaliser, autoencoder and first weights of a new run."""
    kept, _ = split_episodes(len(buffer.episode_ends), config.data.held_out)
    mine = torch.cat([torch.arange(*_span(buffer, int(index))) for index in kept])
    fields = {name: value[mine] for name, value in fit_arrays(buffer).items()}
    first = config.data.scaled_actions
    policy.normalizer.fit(fields, {"action": first} if first else None)
    if config.start_from:
        filled = start_from(policy.model, weights_to_start_from(Path(config.start_from)))
        print(f"{len(filled)} of {len(policy.model.state_dict())} weights taken from {config.start_from}", flush=True)
    _prepare_autoencoder(policy, config, buffer.arrays["img"], mine)


def _prepare_autoencoder(policy: UVAPolicy, config: UVATrainConfig, stored: np.ndarray, mine: Tensor) -> None:
    """That of another model or file where one is given; else patches are fitted to the pictures `mine`."""
    source = config.autoencoder or config.start_from
    if source and Path(source).is_dir():
        weights = load_pretrained(Path(source)).vae_model.state_dict()
        load_weights(policy.vae_model, weights, f"{source}: autoencoder")
    elif config.autoencoder:
        load_weights(policy.vae_model, autoencoder_weights(Path(source)), source)
    elif isinstance(policy.vae_model, PatchAutoencoder):
        chosen = mine[torch.randperm(len(mine), generator=torch.Generator().manual_seed(0))[:_FITTED_ON]]
        share = policy.vae_model.fit(policy.resize(to_pictures(stored[chosen.sort().values.numpy()])))
        print(f"autoencoder of patches: {share:.1%} of the variance kept", flush=True)
    else:
        raise UVAError("the KL autoencoder needs its weights: give autoencoder, the published kl16.ckpt")


def _restore_fixed_parts(policy: UVAPolicy, run_dir: Path) -> None:
    """Normaliser and autoencoder as the run has them; latents are made with these."""
    checkpoint, _ = load_latest(run_dir)
    policy.normalizer.make_fields(checkpoint.section("model.normalizer"))
    for part in ("normalizer", "vae_model"):
        load_weights(getattr(policy, part), checkpoint.section(f"model.{part}"), f"{checkpoint.path}: {part}")


def _text(config: UVATrainConfig, buffer: ReplayBuffer) -> Tensor | None:
    """Vectors (E, 512) of what was to be done in each episode; None for a model that reads no text."""
    if not config.model.inputs.text:
        return None
    if not config.data.sentences:
        raise UVAError("data.sentences is missing: vectors of sentences, as `uva text` writes them")
    from hoigym.adapters.uva.text import vectors_of

    wanted = [config.data.sentence or text for text in buffer.texts]
    if "" in wanted:
        raise UVAError("data.sentence is missing: the replay buffer does not say what was to be done in its episodes")
    return vectors_of(wanted, Path(config.data.sentences))


def _examples(held_out: ReplayWindows) -> dict[str, Tensor]:
    """A batch spread evenly over the windows held out."""
    if not len(held_out):
        raise UVAError("data.held_out leaves no episode to validate on")
    rows = torch.linspace(0, len(held_out) - 1, min(_EXAMPLES, len(held_out))).long()
    return default_collate([held_out[int(row)] for row in rows])


def _span(buffer: ReplayBuffer, episode: int) -> tuple[int, int]:
    ends = buffer.episode_ends
    return int(ends[episode - 1]) if episode else 0, int(ends[episode])
