"""Trained encoders on disk.

A folder with `encoder.safetensors` (weights under their published names) and `encoder.json` (what they
need to be used and where they come from). Checkpoints of the published training script are read too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.core.files import write_atomically
from hoigym.core.foreign_torch import Unreadable, read_torch_file
from hoigym.hist_encoder.features import FEATURE_VERSION, feature_width
from hoigym.hist_encoder.model import KERNEL, EncoderShape, HistoryEncoder, NextFramePredictor
from hoigym.motions.skeleton import SKELETON_NAMES, load_skeleton

WEIGHTS_FILE, FACTS_FILE = "encoder.safetensors", "encoder.json"
FORMAT, FORMAT_VERSION = "hoigym-history-encoder", 1
PREFIX = "history_encoder."
_HEAD_KEYS = tuple(f"fc{layer}.{kind}" for layer in (1, 2, 3) for kind in ("weight", "bias"))
_MOST_OBJECTS = 4
# Ten of these 71 body slots were empty in the released ParaHome clips.
_RELEASED_PARAHOME_WIDTH = 1 + 3 * 70 + 180 + 3


class EncoderError(UserError):
    """A history encoder that cannot be read, written or used."""


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """An encoder, frozen, and what it was made for.

    network: in evaluation mode, no gradients. predictor: with its training head, None where the file has
    no head. skeleton: name of the skeleton. object_slots: objects it has room for. facts: what else its
    file says.
    """

    network: HistoryEncoder
    predictor: NextFramePredictor | None
    skeleton: str
    object_slots: int
    facts: Mapping[str, Any]


def save_encoder(
    folder: Path, predictor: NextFramePredictor, skeleton: str, object_slots: int, facts: Mapping[str, Any]
) -> None:
    """Writes an encoder with its head into folder; facts are kept beside it, JSON values.

    Raises EncoderError where it cannot be written.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in predictor.state_dict().items()}
    data = safetensors.torch.save(weights)
    described = {
        **facts,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "feature_version": FEATURE_VERSION,
        "skeleton": skeleton,
        "object_slots": object_slots,
        "shape": asdict(predictor.history_encoder.shape),
        "predict_change": predictor.predict_change,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(folder / WEIGHTS_FILE) as file:
            file.write(data)
        with write_atomically(folder / FACTS_FILE) as file:
            file.write(json.dumps(described, indent=1).encode() + b"\n")
    except OSError as error:
        raise EncoderError(f"{folder}: cannot be written ({error.strerror or error})") from None


def load_encoder(path: str | Path) -> TrainedEncoder:
    """The encoder in a folder of `save_encoder` (or its .safetensors), or in a Lightning .ckpt; on the CPU.

    Raises EncoderError, one line naming the file, for anything else, a damaged file, or features of
    another version.
    """
    path = Path(path)
    if path.suffix == ".ckpt":
        return _load_lightning(path)
    folder = path.parent if path.suffix == ".safetensors" else path
    if not (folder / FACTS_FILE).is_file():
        raise EncoderError(f"{path}: no {FACTS_FILE} there; expected a trained encoder's folder or a .ckpt")
    facts = _read_facts(folder / FACTS_FILE)
    weights = _read_weights(folder / WEIGHTS_FILE, facts["weights_sha256"])
    try:
        shape = EncoderShape(**{**facts["shape"], "channels": tuple(facts["shape"]["channels"])})
        skeleton, slots = facts["skeleton"], facts["object_slots"]
        if feature_width(load_skeleton(skeleton).num_bodies, slots) != shape.features:
            raise _WrongShape("features")
        return _trained(weights, shape, facts["predict_change"], skeleton, slots, facts)
    except (KeyError, TypeError, ValueError, RuntimeError, _WrongShape):
        raise EncoderError(f"{folder / FACTS_FILE}: does not fit the weights beside it") from None


class _WrongShape(Exception):
    """A weight of another shape than the rest."""


def _trained(
    weights: dict[str, Tensor],
    shape: EncoderShape,
    predict_change: bool,
    skeleton: str,
    object_slots: int,
    facts: Mapping[str, Any],
) -> TrainedEncoder:
    """Networks with these weights; with the head where all of it is there."""
    predictor = NextFramePredictor(shape, predict_change)
    complete = all(name in weights for name in _HEAD_KEYS)
    own = predictor.state_dict()
    wanted = [name for name in own if complete or name.startswith(PREFIX)]
    for name in wanted:
        if name not in weights or weights[name].shape != own[name].shape:
            raise _WrongShape(name)
    predictor.load_state_dict({name: weights[name] for name in wanted}, strict=False)
    predictor.eval().requires_grad_(False)
    return TrainedEncoder(
        network=predictor.history_encoder,
        predictor=predictor if complete else None,
        skeleton=skeleton,
        object_slots=object_slots,
        facts=facts,
    )


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
    except OSError as error:
        raise EncoderError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError:
        raise EncoderError(f"{path}: not a JSON file") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or "weights_sha256" not in facts:
        raise EncoderError(f"{path}: not the description of a history encoder")
    for key, expected in (("format_version", FORMAT_VERSION), ("feature_version", FEATURE_VERSION)):
        if facts.get(key) != expected:
            raise EncoderError(f"{path}: {key} {facts.get(key)}; this program reads {expected}, train it anew")
    return facts


def _read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path}: cannot be read ({error.strerror or error})") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EncoderError(f"{path}: damaged, or not the weights that {FACTS_FILE} describes")
    try:
        return safetensors.torch.load(data)
    except SafetensorError:
        raise EncoderError(f"{path}: not a safetensors file") from None


def _load_lightning(path: Path) -> TrainedEncoder:
    if not path.is_file():
        raise EncoderError(f"{path}: no such file; expected a trained encoder's folder or a .ckpt")
    try:
        weights = _lightning_weights(read_torch_file(path))
    except Unreadable as error:
        raise EncoderError(f"{path}: {error}; expected a Lightning checkpoint of a history encoder") from None
    try:
        shape = _shape_of(weights)
        skeleton, slots = _owner_of(shape.features, path)
        return _trained(weights, shape, False, skeleton, slots, {})
    except (KeyError, _WrongShape) as error:
        raise EncoderError(f"{path}: no history encoder in it ({str(error)} is missing or of another shape)") from None


def _lightning_weights(content: Any) -> dict[str, Tensor]:
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise Unreadable("holds no 'state_dict'")
    return {name: value for name, value in weights.items() if isinstance(value, Tensor)}


def _shape_of(weights: dict[str, Tensor]) -> EncoderShape:
    """Sizes of the published network by the shapes of its weights; raises KeyError, _WrongShape."""
    for layer in ("conv1", "conv2", "conv3"):
        weight = weights[f"{PREFIX}{layer}.weight"]
        if weight.dim() != 3 or weight.shape[2] != KERNEL:
            raise _WrongShape(f"{PREFIX}{layer}.weight")
    first, second, third = (weights[f"{PREFIX}conv{layer}.weight"].shape[0] for layer in (1, 2, 3))
    output = weights[f"{PREFIX}fc.weight"]
    if output.dim() != 2 or output.shape[1] % third:
        raise _WrongShape(f"{PREFIX}fc.weight")
    return EncoderShape(
        features=weights[f"{PREFIX}conv1.weight"].shape[1],
        length=output.shape[1] // third,
        channels=(first, second, third),
        embedding=output.shape[0],
    )


def _owner_of(features: int, path: Path) -> tuple[str, int]:
    """Skeleton and object slots whose features are that wide."""
    if features == _RELEASED_PARAHOME_WIDTH:
        raise EncoderError(
            f"{path}: {features} features a frame, the released ParaHome layout, which holds the absolute "
            "position in the world; expected another encoder, as `run.py encode train` makes"
        )
    for slots in range(_MOST_OBJECTS + 1):
        for skeleton in SKELETON_NAMES:
            if feature_width(load_skeleton(skeleton).num_bodies, slots) == features:
                return skeleton, slots
    raise EncoderError(f"{path}: {features} features a frame; expected 316 (mocap, one object) or another known width")
