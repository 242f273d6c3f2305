"""Released UVA checkpoints: weights, settings and the policy out of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from hoigym.adapters.learning.state import load_weights
from hoigym.adapters.uva.config import AutoencoderConfig, HeadConfig, InputsConfig, TrunkConfig, UVAConfig, UVAError
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.core.foreign_torch import StandIn, Unreadable, read_torch_file


def read_published(path: Path) -> dict[Any, Any]:
    """The named parts of a file of torch.save: tensors and plain containers, other objects as inert stand-ins,
    OmegaConf's trees as plain values; nothing in it is run. Raises UVAError, one line, for a file that is no such
    thing.
    """
    try:
        content = read_torch_file(path)
    except Unreadable as error:
        raise UVAError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise UVAError(f"{path}: holds no named parts")
    return {key: value if _is_weights(value) else _plain(value) for key, value in content.items()}


def weights_in(content: Mapping[str, Any], *places: str) -> dict[str, Tensor] | None:
    """The tensors at a path of keys, "module." left out of their names; None where there are none."""
    value: Any = content
    for place in places:
        value = value.get(place) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping):
        return None
    weights = {name: item for name, item in value.items() if isinstance(name, str) and isinstance(item, Tensor)}
    return {name.replace("module.", ""): item for name, item in weights.items()}


def setting(tree: Any, dotted: str, default: Any = None) -> Any:
    """A value of a plain tree by dotted key, default where it is missing or null."""
    for part in dotted.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return default if tree is None else tree


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(item, Tensor) for item in value.values())


def _plain(value: Any) -> Any:
    """An OmegaConf tree as plain values; nodes hold them in `_val`, containers in `_content`."""
    if isinstance(value, StandIn):
        state = value.state if isinstance(value.state, Mapping) else {}
        return _plain(state.get("_content", state.get("_val")))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


# --- The shape of a model out of a released checkpoint's settings ---------------------------------------------------


SIZES = {
    "mar_tiny": TrunkConfig(768, 3, 6, 3, 6),
    "mar_small": TrunkConfig(768, 6, 6, 6, 6),
    "mar_base": TrunkConfig(768, 12, 12, 12, 12),
    "mar_large": TrunkConfig(1024, 16, 16, 16, 16),
    "mar_huge": TrunkConfig(1280, 20, 16, 20, 16),
}
"""Published sizes by name; decoders are like encoders."""
_TRUNK = "model.policy.autoregressive_model_params"


def released_config(tree: Mapping[str, Any]) -> UVAConfig:
    """The shape of the model that plain settings of a released checkpoint describe.

    Raises UVAError for what no released model is.
    """
    size = setting(tree, f"{_TRUNK}.model_size", "mar_base")
    if size not in SIZES:
        raise UVAError(f"model size '{size}' is none of {', '.join(SIZES)}")
    head = setting(tree, "model.policy.action_model_params.act_model_type", "conv_fc")
    if head != "conv_fc":
        raise UVAError(f"action head '{head}' is not supported; released models have conv_fc")
    return UVAConfig(
        image_size=setting(tree, f"{_TRUNK}.img_size", 256),
        autoencoder=AutoencoderConfig(channels=setting(tree, f"{_TRUNK}.vae_embed_dim", 16)),
        trunk=SIZES[size],
        video_head=_head(tree, "diffloss", "num_sampling_steps"),
        action_head=_head(tree, "diffloss_act", "act_diff_testing_steps"),
        inputs=_inputs(tree),
        temperature=setting(tree, f"{_TRUNK}.temperature", 0.95),
        shift_action=setting(tree, "model.policy.shift_action", True),
        random_history=bool(setting(tree, "model.policy.different_history_freq")),
        execute=setting(tree, "model.policy.n_action_steps", 8),
    )


def _head(tree: Mapping[str, Any], prefix: str, steps: str) -> HeadConfig:
    width = setting(tree, f"{_TRUNK}.{prefix}_w", 1024)
    return HeadConfig(width, setting(tree, f"{_TRUNK}.{prefix}_d", 6), int(setting(tree, f"{_TRUNK}.{steps}", 100)))


def _inputs(tree: Mapping[str, Any]) -> InputsConfig:
    policy = "model.policy"
    shape = setting(tree, "task.shape_meta.action.shape") or setting(tree, f"{policy}.shape_meta.action.shape")
    if not shape:
        raise UVAError("the settings do not say how many numbers an action has (shape_meta.action.shape)")
    language = setting(tree, "task.dataset.language_emb_model") or setting(tree, f"{policy}.language_emb_model")
    return InputsConfig(
        action_dim=shape[0],
        predict_action=bool(setting(tree, f"{policy}.action_model_params.predict_action")),
        history_action=bool(setting(tree, f"{policy}.use_history_action")),
        text=language is not None,
        proprioception=_proprioception(tree),
        predict_proprioception=bool(setting(tree, f"{policy}.predict_proprioception")),
        predict_wrist=bool(setting(tree, f"{policy}.predict_wrist_img")),
        text_drop=setting(tree, f"{_TRUNK}.label_drop_prob", 0.1),
        history_action_keep=setting(tree, f"{policy}.action_mask_ratio", 0.5),
    )


def _proprioception(tree: Mapping[str, Any]) -> Literal["none", "umi", "toolhang"]:
    if not setting(tree, "model.policy.use_proprioception"):
        return "none"
    task = str(setting(tree, "task.name", ""))
    if "umi" in task:
        return "umi"
    if "toolhang" in task or "tool_hang" in task:
        return "toolhang"
    raise UVAError(f"task '{task}' has no proprioception that a released model could read")


# --- A policy out of a released checkpoint --------------------------------------------------------------------------


# A counter that older transformers kept among CLIP's weights.
_POSITION_IDS = "embeddings.position_ids"


def read_released(path: Path) -> tuple[UVAPolicy, dict[str, Tensor]]:
    """The policy of a released checkpoint, and the weights of its text model (none where it reads no text).

    Nothing that the file holds is run. Raises UVAError where it is no UVA checkpoint.
    """
    content = read_published(path)
    state = weights_in(content, "state_dicts", "ema_model") or weights_in(content, "state_dicts", "model")
    if not isinstance(content.get("cfg"), Mapping) or not state:
        raise UVAError(f"{path}: not a UVA checkpoint (it has no cfg or no weights)")
    try:
        policy = UVAPolicy(released_config(content["cfg"]))
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise UVAError(f"{path}: its cfg describes no UVA model ({error})") from None
    parts = split_released(state)
    text = parts.pop("text_model", {})
    load_released(policy, parts, str(path))
    return policy, text


def split_released(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Released weights by part, each under this project's names: model, vae_model, text_model, normalizer.

    Raises UVAError for a name that belongs to none.
    """
    from hoigym.adapters.uva.autoencoder import from_published

    parts: dict[str, dict[str, Tensor]] = {"model": {}, "vae_model": {}, "text_model": {}, "normalizer": {}}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if name == "_dummy_variable":
            continue
        if part not in parts:
            raise UVAError(f"'{name}' is no part of a UVA policy")
        parts[part][rest] = value
    parts["vae_model"] = from_published(parts["vae_model"])
    parts["text_model"] = without_counters(parts["text_model"])
    return {part: weights for part, weights in parts.items() if weights}


def without_counters(clip: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIP's state without what is no weight."""
    return {name: value for name, value in clip.items() if not name.endswith(_POSITION_IDS)}


def load_released(policy: UVAPolicy, parts: Mapping[str, Mapping[str, Tensor]], source: str) -> None:
    """Fills a policy with what `split_released` gave, every weight; raises CheckpointError for one that is missing,
    left over, or of another shape.
    """
    weights = {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}
    policy.normalizer.make_fields(weights, "normalizer.")
    load_weights(policy, weights, source)
