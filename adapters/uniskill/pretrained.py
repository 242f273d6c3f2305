"""Trained models from disk or from the hub: our own runs, and the published layout.

Published: `idm.pth` (a plain state dict) and `unet/` (diffusers), or a folder checkpoint-STEP of them. InstructPix2Pix,
from which the published training starts, has `unet/` alone.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from hoigym.adapters.learning.state import load_weights, trained_weights
from hoigym.adapters.uniskill.config import UniSkillConfig
from hoigym.adapters.uniskill.isd import InverseDynamics, IsdConfig
from hoigym.adapters.uniskill.model import UniSkill
from hoigym.core.checkpoint import load_latest
from hoigym.core.config import from_plain
from hoigym.core.errors import UserError, first_line
from hoigym.core.run_folder import CONFIG_FILE

WEIGHT_NAMES, UNET = ("idm.safetensors", "idm.pth"), "unet"
Config = TypeVar("Config")


class PretrainedError(UserError):
    """Weights that are missing or do not fit, and why."""


def load_isd(source: str, heads: int = 4) -> InverseDynamics:
    """The inverse model of a run folder, a published checkpoint (file or folder) or a hub id; in evaluation mode.

    heads: of a published checkpoint, whose shapes do not tell. Raises PretrainedError, one line that names the
    first key which is missing, unexpected or of another shape.
    """
    path = Path(source)
    if (path / CONFIG_FILE).is_file():
        return load_uniskill(path).isd
    file = find_weights(source)
    return isd_of_weights(read_weights(file), str(file), heads)


def load_uniskill(run_dir: Path) -> UniSkill:
    """Both models of a training run, averaged weights where it kept some; in evaluation mode.

    Raises PretrainedError or CheckpointError for anything else.
    """
    config = run_config(run_dir, UniSkillConfig)
    model = UniSkill(config.isd, config.forward)
    checkpoint, _ = load_latest(run_dir)
    load_weights(model, trained_weights(checkpoint), str(checkpoint.path))
    return model.eval().requires_grad_(False)


def run_config(run_dir: Path, config_type: type[Config]) -> Config:
    """What a run was asked to do; raises PretrainedError where the folder holds no such run."""
    path = run_dir / CONFIG_FILE
    try:
        return from_plain(config_type, yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError:
        raise PretrainedError(f"{run_dir}: no training run there ({CONFIG_FILE} is missing)") from None
    except (yaml.YAMLError, TypeError, AttributeError, ValueError) as error:
        raise PretrainedError(f"{path}: not the configuration of a UniSkill training ({first_line(error)})") from None


def isd_of_weights(weights: dict[str, Tensor], source: str, heads: int = 4) -> InverseDynamics:
    """The inverse model whose sizes the weights tell; raises PretrainedError where they do not fit it."""
    try:
        isd = InverseDynamics(_sizes(weights, heads))
    except KeyError as error:
        raise PretrainedError(f"{source}: not an inverse model of UniSkill: {error} is missing") from None
    except (ValueError, IndexError) as error:
        raise PretrainedError(f"{source}: not an inverse model of UniSkill ({first_line(error)})") from None
    load_weights(isd, weights, source)
    return isd.eval().requires_grad_(False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict of a .safetensors or a torch file, which may not hold code; raises PretrainedError."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise PretrainedError(f"{path}: cannot be read ({first_line(error)})") from None
    except Exception as error:  # torch.load raises many kinds for a file that is something else
        raise PretrainedError(f"{path}: not a file of weights ({type(error).__name__})") from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise PretrainedError(f"{path}: not a plain state dict")
    return dict(content)


def find_weights(source: str) -> Path:
    """The file of inverse-model weights that a file, a folder or a hub id means; raises PretrainedError."""
    path = Path(source)
    if path.is_file():
        return path
    for place in _places(source, WEIGHT_NAMES):
        if file := _isd_file(place):
            return file
    raise PretrainedError(f"{source}: none of {', '.join(WEIGHT_NAMES)} there or in a checkpoint-* folder of it")


def find_start(source: str) -> tuple[Path | None, Path | None]:
    """File of inverse-model weights and folder of the forward model's network, either of which may be missing, of a
    file, a folder (the newest checkpoint) or a hub id; raises PretrainedError where both are.
    """
    path = Path(source)
    for place in [path.parent] if path.is_file() else _places(source, (*WEIGHT_NAMES, f"{UNET}/*")):
        file = path if path.is_file() else _isd_file(place)
        unet = place / UNET if (place / UNET).is_dir() else None
        if file or unet:
            return file, unet
    raise PretrainedError(
        f"{source}: none of {', '.join(WEIGHT_NAMES)}, {UNET} there or in a checkpoint-* folder of it"
    )


def read_unet(folder: Path) -> dict[str, Tensor]:
    """A state dict of a folder of diffusers, in one file or several; raises PretrainedError."""
    # What has a dot before its suffix is a variant, such as one in half precision.
    whole = [path for path in folder.iterdir() if "." not in path.stem]
    found = [sorted(path for path in whole if path.suffix == suffix) for suffix in (".safetensors", ".bin")]
    weights: dict[str, Tensor] = {}
    for path in found[0] or found[1]:
        weights |= read_weights(path)
    if not weights:
        raise PretrainedError(f"{folder}: no weights there")
    return weights


def weights_hash(isd: InverseDynamics) -> str:
    """16 hexadecimal digits that change with the sizes and weights of a model."""
    digest = hashlib.sha256(repr(isd.config).encode())
    for value in isd.state_dict().values():
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _sizes(weights: dict[str, Tensor], heads: int) -> IsdConfig:
    places, width = weights["pos_embed_spatial"].shape[2:]
    patch = round(weights["depth_proj.1.weight"].shape[0] ** 0.5)
    layers = {int(name.split(".")[2]) for name in weights if name.startswith("transformer.layers.")}
    return IsdConfig(
        layers=max(layers, default=-1) + 1,
        heads=heads,
        width=width,
        skill_dim=weights["skill_proj.weight"].shape[0],
        context_dim=weights["latent_proj.weight"].shape[0],
        resolution=patch * round(places**0.5),
        patch=patch,
    )


def _places(source: str, wanted: Sequence[str]) -> list[Path]:
    """A folder and the checkpoints in it, newest first; wanted: names in it that are fetched where it is a hub id."""
    folder = Path(source) if Path(source).is_dir() else _download(source, [f"*{name}" for name in wanted])
    return [folder, *sorted(folder.glob("checkpoint-*"), key=_step, reverse=True)]


def _isd_file(place: Path) -> Path | None:
    return next((place / name for name in WEIGHT_NAMES if (place / name).is_file()), None)


def _download(source: str, patterns: list[str]) -> Path:
    """A repository of the hub, or what of it was fetched before."""
    if source.count("/") != 1 or source.startswith((".", "/")):
        raise PretrainedError(f"{source}: no such file or folder, and no hub id (owner/name)")
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(source, allow_patterns=patterns))
    except ImportError:
        raise PretrainedError(f"{source}: a hub id needs huggingface_hub: pip install hoigym[uniskill]") from None
    except Exception as error:  # the hub's client raises its own kinds and those of its transport
        reason = f"the hub does not give it ({first_line(error)})"
        raise PretrainedError(f"{source}: no such file or folder, and {reason}") from None


def _step(folder: Path) -> int:
    last = folder.name.rsplit("-", 1)[-1]
    return int(last) if last.isdigit() else -1
