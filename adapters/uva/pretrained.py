"""Trained models on disk: ours, released ones, and those to start from."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import yaml
from safetensors import SafetensorError
from torch import Tensor, nn

from hoigym.adapters.learning.state import load_weights, trained_weights
from hoigym.adapters.uva.config import UVAConfig, UVAError
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.released import read_published, read_released, weights_in
from hoigym.core.checkpoint import checkpoint_folder, load_latest
from hoigym.core.config import from_plain
from hoigym.core.run_folder import CONFIG_FILE

DESCRIPTION = "config.json"
WEIGHTS = "model.safetensors"
TEXT_WEIGHTS = "text.safetensors"


def load_pretrained(path: Path) -> UVAPolicy:
    """A policy in evaluation mode, on the CPU, of a folder that `save_pretrained` wrote, of a training run, or of
    a released .ckpt. Raises UVAError or CheckpointError, one line.
    """
    if path.is_file():
        policy = read_released(path)[0]
    elif checkpoint_folder(path).is_dir():
        policy = UVAPolicy(run_config(path))
        checkpoint, _ = load_latest(path)
        weights = trained_weights(checkpoint)
        policy.normalizer.make_fields(weights, "normalizer.")
        load_weights(policy, weights, str(path))
    else:
        policy = UVAPolicy(_description(path))
        weights = _safetensors(path / WEIGHTS)
        policy.normalizer.make_fields(weights, "normalizer.")
        load_weights(policy, weights, str(path / WEIGHTS))
    return policy.eval()


def run_config(run_dir: Path) -> UVAConfig:
    """The model of a training run. Raises UVAError."""
    try:
        content = yaml.safe_load((run_dir / CONFIG_FILE).read_text(encoding="utf-8"))
        return from_plain(UVAConfig, content["model"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UVAError(f"{run_dir}: its {CONFIG_FILE} does not describe a UVA model ({error})") from None


def save_pretrained(policy: UVAPolicy, path: Path, text: Mapping[str, Tensor] | None = None) -> None:
    """Writes config.json and model.safetensors (and text.safetensors) to a new folder, whole or not at all.

    Raises UVAError where the folder exists or the disk refuses.
    """
    if path.exists():
        raise UVAError(f"{path} exists already; choose another folder")
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        scratch.mkdir(parents=True)
        _write_weights(policy.state_dict(), scratch / WEIGHTS)
        if text:
            _write_weights(text, scratch / TEXT_WEIGHTS)
        (scratch / DESCRIPTION).write_text(json.dumps(asdict(policy.config), indent=1) + "\n", encoding="utf-8")
        scratch.rename(path)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise UVAError(f"cannot write {path}: {error.strerror or error}") from None


def _description(path: Path) -> UVAConfig:
    try:
        return from_plain(UVAConfig, json.loads((path / DESCRIPTION).read_bytes()))
    except FileNotFoundError:
        raise UVAError(f"{path} holds no UVA model: neither {DESCRIPTION} nor a training run") from None
    except (OSError, ValueError, TypeError) as error:
        raise UVAError(f"{path / DESCRIPTION}: cannot be read ({error})") from None


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise UVAError(f"{path} is missing") from None
    except (OSError, SafetensorError) as error:
        raise UVAError(f"{path}: not a safetensors file ({error})") from None


def _write_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    safetensors.torch.save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, path)


# --- Weights to start training from ---------------------------------------------------------------------------------


_WEIGHTS_PLACES = (
    ("state_dicts", "ema_model"),
    ("state_dicts", "model"),
    ("model_ema",),
    ("model",),
    (),
)
"""Where files keep their weights: UVA's, MAR's, the autoencoder's; the first that is there counts."""


def weights_to_start_from(path: Path) -> dict[str, Tensor]:
    """Weights of a trunk under its own names: of MAR's checkpoint-last.pth, of a released UVA .ckpt, or of a folder
    of this project. Raises UVAError where there are none.
    """
    if path.is_dir():
        return load_pretrained(path).model.state_dict()
    content = read_published(path)
    for places in _WEIGHTS_PLACES:
        state = weights_in(content, *places)
        if state:
            own = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
            return own or state
    raise UVAError(f"{path}: holds no weights")


def autoencoder_weights(path: Path) -> dict[str, Tensor]:
    """Weights of the published autoencoder's file (kl16.ckpt) under this project's names. Raises UVAError."""
    from hoigym.adapters.uva.autoencoder import from_published

    content = read_published(path)
    state = weights_in(content, "model") or weights_in(content)
    names = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
    if not state or not any(name.startswith(names) for name in state):
        raise UVAError(f"{path}: holds no autoencoder")
    # The file also holds what only the autoencoder's own training needs.
    return from_published({name: value for name, value in state.items() if name.startswith(names)})


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copies the weights whose names and shapes fit; returns their names.

    Raises UVAError where none fits: training from scratch by mistake costs days.
    """
    own = model.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise UVAError("none of the weights to start from fits the model")
    model.load_state_dict(fitting, strict=False)
    return sorted(fitting)
