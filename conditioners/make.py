"""Makes the conditioner of a configuration."""

from pathlib import Path

import torch
from torch import Tensor

from conditioners.base import SkillConditioner
from conditioners.config import TABLE_KINDS, ConditionConfig
from conditioners.controls import clip_means, label_phase, shuffle_clips
from conditioners.label import LabelConditioner
from conditioners.table import PromptConditioner, TableConditioner
from conditioners.table_file import ConditionTable, TableError, load_table
from motions.library import MotionLibrary

SHUFFLE_SEED = 0
LARGEST = 5.0
"""Standard deviations at which values of a table are cut off: an encoder's outliers say nothing."""


def make_conditioner(config: ConditionConfig, library: MotionLibrary, control_hz: int) -> SkillConditioner:
    """The conditioner for rows that follow `library`; raises TableError for a table that does not fit it."""
    hold_steps = max(1, round(config.hold * control_hz))
    if config.kind == "label":
        return LabelConditioner()
    if config.kind not in TABLE_KINDS:
        return TableConditioner(label_phase(library), library, hold_steps)
    table = table_of(config, library)
    shown = load_table(Path(config.prompt)) if config.prompt else table
    _check_prompt(shown, config.prompt, table)
    values = standardised(shown.values, table.values).to(library.device)
    if shown.library_hash != library.content_hash:
        if config.kind != "table":
            raise TableError(f"{config.prompt}: of other clips, of which condition.kind {config.kind} makes nothing")
        return PromptConditioner(values, shown.fps / control_hz, hold_steps)
    spoilt = {
        "table": lambda: values,
        "shuffled": lambda: shuffle_clips(values, library, SHUFFLE_SEED),
        "clip_mean": lambda: clip_means(values, library),
        "zero": lambda: torch.zeros_like(values[:1]),
    }
    return TableConditioner(spoilt[config.kind](), library, hold_steps)


def standardised(values: Tensor, trained: Tensor) -> Tensor:
    """Conditions (..., W) in standard deviations from the mean of trained ones (V, F, W).

    Encoders leave offset and scale open.
    """
    flat = trained.flatten(0, 1)
    mean, scale = flat.mean(0), flat.std(0, correction=0).clamp_min(1e-6)
    return ((values - mean) / scale).clamp(-LARGEST, LARGEST)


def table_of(config: ConditionConfig, library: MotionLibrary) -> ConditionTable:
    """The table that a policy is trained with; raises TableError where it was made for other clips."""
    table = load_table(Path(config.file))
    if table.library_hash != library.content_hash or table.values.shape[1] != library.num_frames:
        frames = f"{library.num_frames} frames"
        raise TableError(f"{config.file}: made for other clips than those of motion_file ({frames})")
    return table


def _check_prompt(prompt: ConditionTable, path: str, table: ConditionTable) -> None:
    """Raises TableError where a prompt does not mean the same as the conditions that a policy was trained with."""
    width, wanted = prompt.values.shape[2], table.values.shape[2]
    if width != wanted:
        raise TableError(f"{path}: {width} numbers a frame, but the policy's conditions have {wanted}")
    for what in ("model", "gap"):
        made, wanted = prompt.meta.get(what), table.meta.get(what)
        if made and wanted and made != wanted:
            raise TableError(f"{path}: made with {what} {made}, but the policy's conditions with {what} {wanted}")
