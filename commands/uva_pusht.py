"""`run.py uva pusht`: demonstrations, cloned policies and the evaluation of PushT."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands.actions import parse_action
from commands.device import check_device
from commands.schema import to_plain
from conditioners.uva.pusht.clone import CloneConfig
from conditioners.uva.pusht.world import TEST_SEEDS
from motions.errors import UserError


@dataclass(frozen=True)
class CollectConfig:
    """Let the expert demonstrate, into a replay buffer; a stopped collection goes on."""

    output: Path | None = None
    """The zarr folder to write, or to go on with."""
    episodes: int = 200
    """Episodes that it should hold in the end."""
    noise: float = 6.0
    """Deviation of what is added to the targets that are carried out [pixels]; those stored are clean."""
    first_seed: int = 0
    """Seed of the first episode; the others follow."""
    workers: int = 1
    """Processes; the result is the same with any number."""


@dataclass(frozen=True)
class RunCloneConfig:
    """Clone demonstrations by regression, from states or from pictures."""

    data: Path | None = None
    """Replay buffer of PushT."""
    run_dir: Path | None = None
    """New folder of the run, or the one to go on with."""
    resume: bool = False
    """Go on with the run."""
    clone: CloneConfig = field(default_factory=CloneConfig)


@dataclass(frozen=True)
class EvalConfig:
    """Measure controllers on the 50 published seeds."""

    checkpoint: str | None = None
    """A run, a released file, or expert, still, random, drive; several with commas between."""
    seeds: int = 50
    """How many of the seeds 100000 .. 100049."""
    seed: int = 0
    """Of the policy's own draws."""
    device: str = "cpu"
    decode_video: bool = False
    """Also sample the future at every decision of a UVA model: for its latency, the actions stay the same."""
    film: int = 0
    """Seeds whose episode is filmed: SEED.mp4, and SEED.png with eight moments."""
    output: str = ""
    """Folder of results.json and films; output/pusht-TIME where left out."""

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= len(TEST_SEEDS):
            raise UserError(f"seeds must lie in 1 .. {len(TEST_SEEDS)}, not {self.seeds}")


ACTIONS = {"collect": CollectConfig, "clone": RunCloneConfig, "eval": EvalConfig}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of the actions."""
    action, config = parse(argv)
    if action == "collect":
        _collect(config)
    elif action == "clone":
        _clone(config)
    else:
        _evaluate(config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    return parse_action("uva pusht", ACTIONS, argv)


def _collect(config: CollectConfig) -> None:
    from conditioners.uva.pusht.collect import Demonstration, collect
    from motions.readable import format_seconds

    begin, first = time.monotonic(), -1

    def show(demonstration: Demonstration, stored: int) -> None:
        nonlocal first
        first = stored - 1 if first < 0 else first
        left = (time.monotonic() - begin) / max(stored - first, 1) * (config.episodes - stored)
        steps = len(demonstration.arrays["action"])
        outcome = "" if demonstration.success else "  failed, left out"
        print(
            f"episode {stored}/{config.episodes}  seed {demonstration.seed}  {steps} steps{outcome}"
            f"  left {format_seconds(left)}",
            flush=True,
        )

    assert config.output is not None
    failures = collect(config.output, config.episodes, config.noise, config.first_seed, config.workers, show)
    print(f"{config.output}: {config.episodes} episodes; {failures} failed ones were left out")


def _clone(config: RunCloneConfig) -> None:
    from conditioners.uva.pusht.cloning import train_clone

    assert config.data is not None
    assert config.run_dir is not None
    result = train_clone(config.clone, config.data, config.run_dir, config.resume, to_plain(config))
    print(f"{result.reason} at step {result.step}; next: python run.py uva pusht eval {config.run_dir}")


def _evaluate(config: EvalConfig) -> None:
    from commands.uva_pusht_eval import run
    from conditioners.uva.pusht.acting import named_controller

    assert config.checkpoint is not None
    check_device(config.device)
    names = [name.strip() for name in config.checkpoint.split(",")]
    controllers = {name: named_controller(name, config.seed, config.device, config.decode_video) for name in names}
    folder = Path(config.output or f"output/pusht-{time.strftime('%Y%m%d-%H%M%S')}")
    run(controllers, TEST_SEEDS[: config.seeds], config.film, folder)
