"""`run.py encode`: the history encoder of a set of clips."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from hoigym.core.config_parser import parse_action
from hoigym.hist_encoder.config import EncoderTrainingConfig


@dataclass(frozen=True)
class TrainConfig:
    """Train an encoder on clips."""

    motion_file: str | None = None
    """Clip, or folder of clips."""
    output: Path | None = None
    """New folder of the encoder."""
    training: EncoderTrainingConfig = field(default_factory=EncoderTrainingConfig)


@dataclass(frozen=True)
class ResumeConfig:
    """Go on with the training in a folder."""

    run_dir: Path | None = None
    max_epochs: int = 0
    """New limit; that of the run where 0."""


@dataclass(frozen=True)
class ApplyConfig:
    """Encode the history before every frame of clips, and draw it."""

    encoder: Path | None = None
    """Folder of an encoder, or a published .ckpt."""
    motion_file: Path | None = None
    """Clip, or folder of clips."""
    output: Path | None = None
    """Folder of the new files."""
    reference_heading: Literal["true", "exp_map"] = "true"
    """"exp_map" for released encoders."""
    overwrite: bool = False
    """Replace files that are there."""


ACTIONS = {"train": TrainConfig, "resume": ResumeConfig, "apply": ApplyConfig}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of train, resume, apply."""
    action, config = parse(argv)
    from hoigym.hist_encoder import runs

    if action == "train":
        runs.train(replace(config.training, motion_file=config.motion_file), config.output)
    elif action == "resume":
        runs.resume(config.run_dir, config.max_epochs or None)
    else:
        runs.apply(
            config.encoder,
            config.motion_file,
            config.output,
            reference_heading=config.reference_heading,
            overwrite=config.overwrite,
        )


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    return parse_action("encode", ACTIONS, argv)
