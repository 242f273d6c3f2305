"""`run.py uniskill evaluate`: what z is worth, beside raw pictures, untrained models and the recorded motion."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hoigym.core.errors import UserError

if TYPE_CHECKING:
    from hoigym.adapters.uniskill.evaluation import Trained


@dataclass(frozen=True)
class EvaluateConfig:
    """Retrieval, linear probes and forward errors of trained models on held-out clips, with all baselines."""

    store: Path | None = None
    """Folder written by `uniskill render`, with the looks A, A-random, C (two variants), C-random and A-side."""
    motion_file: str | None = None
    """The clips it was rendered from."""
    runs: tuple[str, ...] = ()
    """Training runs that differ in their seed."""
    controls: tuple[str, ...] = ()
    """Training runs without random colours."""
    gap: float = 0.5
    """Time between the pictures of a pair [s]."""
    output: Path = Path("output/uniskill-evaluation")
    """Folder of report.json, report.md and report.png."""

    def __post_init__(self) -> None:
        if not self.gap > 0:
            raise UserError(f"gap must be above 0, not {self.gap}")


def evaluate(config: EvaluateConfig) -> None:
    """Does what the configuration says; raises UserError."""
    from hoigym.adapters.uniskill.evaluation import evaluate as judge
    from hoigym.adapters.uniskill.evaluation_report import markdown, write_report
    from hoigym.adapters.uniskill.store import RenderStore
    from hoigym.commands.eval import EvalProgress
    from hoigym.motions.formats import load_clips
    from hoigym.motions.library import MotionLibrary

    assert config.store is not None
    assert config.motion_file is not None
    if not config.runs:
        raise UserError("runs is missing: the training runs to evaluate, as in [output/seed0, output/seed1]")
    named = {"ISD, random colours": config.runs, "ISD, fixed colours": config.controls}
    models = {name: [_trained(Path(run)) for run in runs] for name, runs in named.items() if runs}
    begin = time.monotonic()
    with EvalProgress() as progress:
        library = MotionLibrary(load_clips(config.motion_file))
        report = judge(RenderStore.open(config.store), library, models, config.gap, progress.show)
    paths = write_report(report, config.output)
    print(markdown(report))
    print(f"{time.monotonic() - begin:.0f} s; written: {', '.join(map(str, paths))}")


def _trained(run: Path) -> "Trained":
    from hoigym.adapters.uniskill.config import UniSkillConfig
    from hoigym.adapters.uniskill.evaluation import Trained
    from hoigym.adapters.uniskill.pretrained import load_uniskill, run_config

    return Trained(load_uniskill(run), run_config(run, UniSkillConfig).forward.resolution)
