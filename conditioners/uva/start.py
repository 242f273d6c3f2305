"""Weights to start training from."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from conditioners.uva.error import UVAError
from conditioners.uva.pretrained import load_pretrained
from conditioners.uva.released import read_published, weights_in

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
    from conditioners.uva.kl_autoencoder import from_published

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
