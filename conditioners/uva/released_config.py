"""The shape of a model out of a released checkpoint's settings."""

from collections.abc import Mapping
from typing import Any, Literal

from conditioners.uva.config import AutoencoderConfig, HeadConfig, InputsConfig, TrunkConfig, UVAConfig
from conditioners.uva.error import UVAError
from conditioners.uva.released import setting

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
