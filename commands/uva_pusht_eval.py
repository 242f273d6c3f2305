"""The table, the film and the numbers of `run.py uva pusht eval`."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from commands.eval_progress import EvalProgress
from conditioners.uva.pusht.controller import Controller, RecedingHorizon
from conditioners.uva.pusht.evaluation import PushTResult, evaluate
from conditioners.uva.pusht.world import EPISODE_STEPS
from evaluation.statistics import wilson_interval
from motions.atomic import write_atomically
from viewer.files import VideoFile, write_picture

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
