"""Sentences as the vectors that a model reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from hoigym.adapters.uva.config import UVAError
from hoigym.core.files import write_atomically

try:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
except ImportError as error:
    raise UVAError(f"text needs the package '{error.name}': pip install hoigym[uva]") from None

_LENGTH = 30
_TOKENIZER_FILES = ("vocab.json", "merges.txt")


class TextEncoder(nn.Module):
    """CLIP ViT-B/32's text features (Radford et al. 2021), 512 numbers a sentence; frozen."""

    def __init__(self) -> None:
        super().__init__()
        # Without arguments this is the shape of ViT-B/32.
        self.text_model: Any = CLIPModel(CLIPConfig())

    @torch.no_grad()
    def forward(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Features (B, 512) of sentences (B, 30)."""
        return self.text_model.get_text_features(token_ids, attention_mask).pooler_output


def encode_sentences(sentences: Sequence[str], encoder: TextEncoder, tokenizer: Path) -> Tensor:
    """Features (N, 512). tokenizer: folder with CLIP's vocab.json and merges.txt; nothing is downloaded.

    Raises UVAError where there is no tokenizer.
    """
    # Without these files it would be made of nothing, and take every word for the same.
    if not all((tokenizer / name).is_file() for name in _TOKENIZER_FILES):
        raise UVAError(f"{tokenizer}: not a folder with a CLIP tokenizer ({' and '.join(_TOKENIZER_FILES)})")
    try:
        splitter = CLIPTokenizer.from_pretrained(tokenizer, local_files_only=True)
    except Exception as error:  # the reader of these files reports damage with many exception types
        raise UVAError(f"{tokenizer}: its tokenizer cannot be read ({error})") from None
    tokens = splitter(list(sentences), padding="max_length", max_length=_LENGTH, truncation=True, return_tensors="pt")
    return encoder.eval()(tokens["input_ids"], tokens["attention_mask"])


def save_sentences(path: Path, sentences: Sequence[str], features: Tensor) -> None:
    """Keeps features (N, 512) by sentence, a safetensors file."""
    table = {sentence: row.contiguous() for sentence, row in zip(sentences, features, strict=True)}
    with write_atomically(path) as file:
        file.write(safetensors.torch.save(table))


def load_sentences(path: Path) -> dict[str, Tensor]:
    """Features (512,) by sentence. Raises UVAError for a file that `save_sentences` did not write."""
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise UVAError(f"{path}: not a file of sentences ({error})") from None


def vectors_of(sentences: Sequence[str], path: Path) -> Tensor:
    """Features (N, 512) of sentences that a file of them holds. Raises UVAError for one that it does not hold."""
    known = load_sentences(path)
    if missing := [sentence for sentence in sentences if sentence not in known]:
        raise UVAError(f"{path} has no sentence '{missing[0]}'")
    return torch.stack([known[sentence] for sentence in sentences])
