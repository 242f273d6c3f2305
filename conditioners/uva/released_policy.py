"""A policy out of a released checkpoint."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from conditioners.learning.state import load_weights
from conditioners.uva.error import UVAError
from conditioners.uva.policy import UVAPolicy
from conditioners.uva.released import read_published, weights_in
from conditioners.uva.released_config import released_config

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
    from conditioners.uva.kl_autoencoder import from_published

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
