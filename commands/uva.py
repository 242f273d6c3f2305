"""`run.py uva`: the unified video-action model."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.actions import parse_action
from commands.uva_bench import BenchConfig
from commands.uva_import import ImportConfig, import_hdf5
from commands.uva_record import RecordConfig, record
from commands.uva_train import parse_train
from conditioners.uva.training_config import UVATrainConfig


@dataclass(frozen=True)
class ConvertConfig:
    """Turn a released checkpoint into safetensors and JSON; nothing in the file is run."""

    checkpoint: Path | None = None
    """The released .ckpt."""
    output: Path | None = None
    """New folder of the model."""


@dataclass(frozen=True)
class TextConfig:
    """Turn sentences into the vectors that a model reads."""

    model: Path | None = None
    """A converted model that reads text, or a .safetensors file of CLIP ViT-B/32's weights."""
    tokenizer: Path | None = None
    """Folder with CLIP's vocab.json and merges.txt."""
    output: Path | None = None
    """File of vectors by sentence, .safetensors."""
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanActions:
    """Plans of clips: collect, table (`uva plan --help`)."""


@dataclass(frozen=True)
class PushTActions:
    """The PushT benchmark (`uva pusht --help`)."""


ACTIONS = {
    "train": UVATrainConfig,
    "convert": ConvertConfig,
    "text": TextConfig,
    "bench": BenchConfig,
    "record": RecordConfig,
    "import": ImportConfig,
    "plan": PlanActions,
    "pusht": PushTActions,
}
# Actions that are several actions themselves, by the module that has them.
_GROUPS = {"plan": "commands.uva_plan", "pusht": "commands.uva_pusht"}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of the actions."""
    if argv and argv[0] in _GROUPS:
        importlib.import_module(_GROUPS[argv[0]]).main(argv[1:])
        return
    action, config = parse(argv)
    if action == "train":
        from commands.uva_train import train

        train(*config)
    elif action == "convert":
        from conditioners.uva.commands import convert

        convert(config.checkpoint, config.output)
    elif action == "text":
        from conditioners.uva.commands import text

        text(config.model, config.tokenizer, config.output, config.sentences)
    elif action == "record":
        record(config)
    elif action == "import":
        import_hdf5(config)
    else:
        from commands.uva_bench import bench

        bench(config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration, with the options beside it for `train`; raises UserError."""
    if argv and argv[0] in _GROUPS:
        return argv[0], importlib.import_module(_GROUPS[argv[0]]).parse(argv[1:])
    if argv and argv[0] == "train":
        return "train", parse_train(argv[1:])
    return parse_action("uva", ACTIONS, argv)
