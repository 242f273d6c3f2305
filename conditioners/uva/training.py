"""Training of a UVA model from a replay buffer, in two stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from conditioners.learning.fit import fit
from conditioners.learning.learner import FitResult
from conditioners.uva.data.dataset import ReplayWindows, fit_arrays
from conditioners.uva.data.replay_buffer import ReplayBuffer
from conditioners.uva.data.windows import split_episodes
from conditioners.uva.error import UVAError
from conditioners.uva.learner import UVALearner
from conditioners.uva.patch_autoencoder import PatchAutoencoder
from conditioners.uva.policy import UVAPolicy
from conditioners.uva.pretrained import load_pretrained
from conditioners.uva.samples import read_buffer, to_pictures, windows_of, with_latents
from conditioners.uva.start import autoencoder_weights, start_from, weights_to_start_from
from conditioners.uva.training_config import UVATrainConfig
from motions.checkpoint import list_checkpoints, load_latest

_EXAMPLES = 32
_FITTED_ON = 2000


def train(config: UVATrainConfig, run_dir: Path, resume: bool, run_config: Mapping[str, Any]) -> FitResult:
    """Trains, or goes on with the run in run_dir. run_config: what its config.yaml should say.

    Raises UVAError for data or weights that do not fit, and what `fit` raises.
    """
    config = config.for_stage()
    buffer = read_buffer(config.data)
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
    training, held_out = windows_of(buffer, config.data, config.model, _text(config))
    learner = UVALearner(policy, config, _examples(held_out))
    return fit(learner, training, run_dir, config.fit, resume, run_config)


def _prepare(policy: UVAPolicy, config: UVATrainConfig, buffer: ReplayBuffer) -> None:
    """Normaliser, autoencoder and first weights of a new run."""
    kept, _ = split_episodes(len(buffer.episode_ends), config.data.held_out)
    mine = torch.cat([torch.arange(*_span(buffer, int(index))) for index in kept])
    fields = {name: value[mine] for name, value in fit_arrays(buffer).items()}
    if fields["action"].shape[-1] != config.model.inputs.action_dim:
        found = fields["action"].shape[-1]
        raise UVAError(f"actions have {found} numbers, model.inputs.action_dim is {config.model.inputs.action_dim}")
    first = config.data.scaled_actions
    policy.normalizer.fit(fields, {"action": first} if first else None)
    if config.start_from:
        filled = start_from(policy.model, weights_to_start_from(Path(config.start_from)))
        print(f"{len(filled)} of {len(policy.model.state_dict())} weights taken from {config.start_from}", flush=True)
    _prepare_autoencoder(policy, config, buffer.arrays["img"], mine)


def _prepare_autoencoder(policy: UVAPolicy, config: UVATrainConfig, stored: np.ndarray, mine: Tensor) -> None:
    """That of another model where one is given; else patches are fitted to the pictures `mine`."""
    source = config.autoencoder or config.start_from
    if source and Path(source).is_dir():
        policy.vae_model.load_state_dict(load_pretrained(Path(source)).vae_model.state_dict())
    elif isinstance(policy.vae_model, PatchAutoencoder):
        chosen = mine[torch.randperm(len(mine), generator=torch.Generator().manual_seed(0))[:_FITTED_ON]]
        share = policy.vae_model.fit(policy.resize(to_pictures(stored[chosen.sort().values.numpy()])))
        print(f"autoencoder of patches: {share:.1%} of the variance kept", flush=True)
    elif config.autoencoder:
        policy.vae_model.load_state_dict(autoencoder_weights(Path(config.autoencoder)))
    else:
        raise UVAError("the KL autoencoder needs its weights: give autoencoder, the published kl16.ckpt")


def _restore_fixed_parts(policy: UVAPolicy, run_dir: Path) -> None:
    """Normaliser and autoencoder as the run has them; latents are made with these."""
    weights = load_latest(run_dir)[0].section("model")
    policy.normalizer.make_fields(weights, "normalizer.")
    fixed = {name: value for name, value in weights.items() if name.startswith(("normalizer.", "vae_model."))}
    policy.load_state_dict(fixed, strict=False)


def _text(config: UVATrainConfig) -> Tensor | None:
    if not config.model.inputs.text:
        return None
    from conditioners.uva.text import load_sentences

    known = load_sentences(Path(config.data.sentences))
    if config.data.sentence not in known:
        raise UVAError(f"{config.data.sentences} has no sentence '{config.data.sentence}'")
    return known[config.data.sentence]


def _examples(held_out: ReplayWindows) -> dict[str, Tensor]:
    """A batch spread evenly over the windows held out."""
    if not len(held_out):
        raise UVAError("data.held_out leaves no episode to validate on")
    rows = torch.linspace(0, len(held_out) - 1, min(_EXAMPLES, len(held_out))).long()
    return default_collate([held_out[int(row)] for row in rows])


def _span(buffer: ReplayBuffer, episode: int) -> tuple[int, int]:
    ends = buffer.episode_ends
    return int(ends[episode - 1]) if episode else 0, int(ends[episode])
