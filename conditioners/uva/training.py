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
from conditioners.learning.state import load_weights
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
    from conditioners.uva.text import vectors_of

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
