"""Registry of conditioners: makes the one that a configuration names."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hoigym.conditioners.base import TABLE_KINDS, ConditionConfig, LabelConditioner, SkillConditioner
from hoigym.conditioners.table import (
    ConditionTable,
    PromptConditioner,
    TableConditioner,
    TableError,
    clip_means,
    label_phase,
    load_table,
    shuffle_clips,
)
from hoigym.motions.library import MotionLibrary
from hoigym.sim.base import SimState
from hoigym.sim.scene.scene import Scene

SHUFFLE_SEED = 0
LARGEST = 5.0
"""Standard deviations at which values of a table are cut off: an encoder's outliers say nothing."""


@dataclass(frozen=True, eq=False)
class ConditionContext:
    """What a conditioner may be made from: the rows' library, and the scene and live state that it may watch.

    control_hz: control steps a second. seed: of its own random numbers.
    """

    config: ConditionConfig
    library: MotionLibrary
    scene: Scene
    state: SimState
    control_hz: int
    seed: int

    @property
    def hold_steps(self) -> int:
        """Control steps for which a value is held."""
        return max(1, round(self.config.hold * self.control_hz))


def make_conditioner(context: ConditionContext) -> SkillConditioner:
    """The conditioner of context.config.kind; raises UserError for files that do not fit the clips."""
    module, _, function = MAKERS[context.config.kind].partition(":")
    return getattr(importlib.import_module(module), function)(context)


def make_label(context: ConditionContext) -> SkillConditioner:
    """The skill id itself."""
    return LabelConditioner()


def make_label_phase(context: ConditionContext) -> SkillConditioner:
    """The skill id and the phase of the clip."""
    return TableConditioner(label_phase(context.library), context.library, context.hold_steps)


def make_table(context: ConditionContext) -> SkillConditioner:
    """A table of conditions, or what it is compared with; raises TableError for one that does not fit the clips."""
    config, library = context.config, context.library
    table = table_of(config, library)
    shown = load_table(Path(config.prompt)) if config.prompt else table
    _check_prompt(shown, config.prompt, table)
    values = standardised(shown.values, table.values).to(library.device)
    if shown.library_hash != library.content_hash:
        if config.kind != "table":
            raise TableError(f"{config.prompt}: of other clips, of which condition.kind {config.kind} makes nothing")
        return PromptConditioner(values, shown.fps / context.control_hz, context.hold_steps)
    spoilt = {
        "table": lambda: values,
        "shuffled": lambda: shuffle_clips(values, library, SHUFFLE_SEED),
        "clip_mean": lambda: clip_means(values, library),
        "zero": lambda: torch.zeros_like(values[:1]),
    }
    return TableConditioner(spoilt[config.kind](), library, context.hold_steps)


MAKERS: dict[str, str] = {
    "label": f"{__name__}:make_label",
    "label_phase": f"{__name__}:make_label_phase",
    **dict.fromkeys(TABLE_KINDS, f"{__name__}:make_table"),
    "uva": "hoigym.adapters.uva.conditioner:make_planned",
}
"""condition.kind -> the function, as module:name, that makes a SkillConditioner of a ConditionContext.

A module is imported when its kind is asked for: an adapter may need packages that others do without.
"""


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
