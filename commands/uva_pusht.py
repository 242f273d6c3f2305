"""`run.py uva pusht`: demonstrations, cloned policies and the evaluation of PushT."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hoigym.adapters.pusht.clone import CloneConfig
from hoigym.adapters.pusht.controller import Controller, RecedingHorizon
from hoigym.adapters.pusht.evaluation import PushTResult, evaluate
from hoigym.adapters.pusht.world import EPISODE_STEPS, TEST_SEEDS
from hoigym.commands.eval import EvalProgress
from hoigym.core.config import to_plain
from hoigym.core.config_parser import parse_action
from hoigym.core.device import check_device
from hoigym.core.errors import UserError
from hoigym.core.files import write_atomically
from hoigym.evaluation.report import wilson_interval
from hoigym.viewer.recorder import VideoFile, write_picture

_FPS = 10
_MOMENTS = 8


def run(controllers: Mapping[str, Controller], seeds: Sequence[int], filmed: int, folder: Path) -> None:
    """Evaluates every named controller, prints the table, writes results.json and the films of the first seeds."""
    print(f"{'controller':<28} {'score':>6} {'success':>9} {'95 % interval':>14} {'steps':>6} {'decision':>9}")
    results: dict[str, Any] = {}
    for name, controller in controllers.items():
        with EvalProgress() as progress:
            show = partial(progress.show, name, steps=EPISODE_STEPS)
            result = evaluate(controller, seeds, seeds[:filmed], show)
        latency = _latency(controller)
        low, high = wilson_interval(result.successes, len(seeds))
        print(
            f"{name:<28} {result.score:6.3f} {result.successes:>3} of {len(seeds):<3} {low:6.3f} .. {high:.3f}"
            f" {result.steps.mean():6.0f} {'' if latency is None else f'{1e3 * latency:.0f} ms':>9}",
            flush=True,
        )
        results[name] = {**result.plain(), "interval": [low, high], "decision_seconds": latency}
        _write_films(result, folder / Path(name).name)
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder / "results.json") as file:
        file.write(json.dumps(results, indent=1).encode())
    print(f"written: {folder}")


def _latency(controller: Any) -> float | None:
    """Median wall time of a decision for all worlds at once [s]."""
    if isinstance(controller, RecedingHorizon) and controller.seconds:
        return float(np.median(controller.seconds))
    return None


def _write_films(result: PushTResult, folder: Path) -> None:
    for seed, pictures in result.film.items():
        video = VideoFile(folder / f"{seed}.mp4", _FPS)
        for picture in pictures:
            video.add(picture)
        video.finish()
        chosen = np.linspace(0, len(pictures) - 1, _MOMENTS).round().astype(int)
        rows = np.array_split(np.stack([pictures[index] for index in chosen]), 2)
        write_picture(np.vstack([np.hstack(list(row)) for row in rows]), folder / f"{seed}.png")


# --- `run.py uva pusht`: demonstrations, cloned policies and the evaluation of PushT --------------------------------


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
    from hoigym.adapters.pusht.collect import Demonstration, collect
    from hoigym.core.progress import format_seconds

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
    from hoigym.adapters.pusht.clone import train_clone

    assert config.data is not None
    assert config.run_dir is not None
    result = train_clone(config.clone, config.data, config.run_dir, config.resume, to_plain(config))
    print(f"{result.reason} at step {result.step}; next: python run.py uva pusht eval {config.run_dir}")


def _evaluate(config: EvalConfig) -> None:
    from hoigym.adapters.pusht.acting import named_controller

    assert config.checkpoint is not None
    check_device(config.device)
    names = [name.strip() for name in config.checkpoint.split(",")]
    controllers = {name: named_controller(name, config.seed, config.device, config.decode_video) for name in names}
    folder = Path(config.output or f"output/pusht-{time.strftime('%Y%m%d-%H%M%S')}")
    run(controllers, TEST_SEEDS[: config.seeds], config.film, folder)
