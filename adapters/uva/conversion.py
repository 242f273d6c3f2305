"""Conversion of released UVA checkpoints, and of sentences into the vectors that a model reads."""

from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError

from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.pretrained import TEXT_WEIGHTS, save_pretrained
from hoigym.adapters.uva.released import read_released, without_counters
from hoigym.core.progress import format_count


def convert(checkpoint: Path, output: Path) -> None:
    """Writes a released checkpoint as safetensors and JSON."""
    if output.exists():
        raise UVAError(f"{output} exists already; choose another folder")
    policy, text_weights = read_released(checkpoint)
    save_pretrained(policy, output, text_weights)
    for part in ("model", "vae_model"):
        weights = sum(value.numel() for value in getattr(policy, part).parameters())
        print(f"{part:<10} {format_count(weights)} weights")
    scaled = ", ".join(policy.normalizer.params_dict) or "nothing"
    print(f"normaliser of {scaled}; text weights: {'yes' if text_weights else 'none'}")
    print(f"written to {output}")


def text(model: Path, tokenizer: Path, output: Path, sentences: Sequence[str]) -> None:
    """Writes the vectors of sentences. model: a folder of `convert`, or a file of CLIP's weights."""
    from hoigym.adapters.uva.text import TextEncoder, encode_sentences, save_sentences

    if not sentences:
        raise UVAError("no sentence is given: --sentences '[push the block, ...]'")
    file = model / TEXT_WEIGHTS if model.is_dir() else model
    encoder = TextEncoder()
    try:
        weights = safetensors.torch.load_file(file)
        encoder.text_model.load_state_dict(without_counters(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UVAError(f"{file}: holds no text model ({str(error).splitlines()[0]})") from None
    save_sentences(output, sentences, encode_sentences(sentences, encoder, tokenizer))
    print(f"{output}: {len(sentences)} sentences")
