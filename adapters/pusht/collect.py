"""Demonstrations of the expert, written to a replay buffer."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoigym.adapters.pusht.expert import PushTExpert
from hoigym.adapters.pusht.world import EPISODE_STEPS, TEST_SEEDS, PushTWorld
from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.replay_buffer import ReplayWriter


class Demonstration(NamedTuple):
    """One episode of the expert: arrays by name (T, ...), the greatest reward, whether the block reached the goal."""

    seed: int
    arrays: dict[str, NDArray]
    reward: float
    success: bool


def demonstrate(seed: int, noise: float = 0.0, pictures: bool = True) -> Demonstration:
    """The expert on one seed.

    Arrays: img (T, 96, 96, 3) uint8 if asked for, state (T, 5) and action (T, 2) float32, what was seen and what the
    expert wanted then. noise: standard deviation [pixels] of what is added to the target that is carried out; the
    stored one stays clean, so that a clone also sees how to come back.
    """
    world, expert = _pair()
    rng = np.random.default_rng(seed)
    world.reset(seed)
    expert.reset()
    rows: dict[str, list[NDArray]] = {"img": [], "state": [], "action": []}
    best, success = 0.0, False
    for _ in range(EPISODE_STEPS):
        state = world.state()
        action = expert.act(state)
        if pictures:
            rows["img"].append(world.image())
        rows["state"].append(state.astype(np.float32))
        rows["action"].append(action.astype(np.float32))
        outcome = world.step(np.clip(action + noise * rng.standard_normal(2), 0.0, 512.0))
        best, success = max(best, outcome.reward), outcome.success
        if success:
            break
    arrays = {name: np.stack(values) for name, values in rows.items() if values}
    return Demonstration(seed, arrays, best, success)


def collect(
    path: Path, episodes: int, noise: float, first_seed: int, workers: int, report: Callable[[Demonstration, int], None]
) -> int:
    """Appends demonstrations until the buffer holds `episodes`; returns the number of failures, which are left out.

    Seeds are taken one after another, on from those in the buffer, so that a stopped collection goes on where it was;
    the result does not depend on the number of processes. report: called after each with the episodes stored.
    Raises UVAError where the seeds would run into those of the evaluation.
    """
    writer = ReplayWriter(path)
    start = max([first_seed, *(seed + 1 for seed in writer.seeds)])
    failures, made = 0, demonstrations(start, noise, workers, episodes - writer.episodes)
    while writer.episodes < episodes:
        demonstration = next(made)
        if demonstration.success:
            writer.append(demonstration.arrays, demonstration.seed)
        failures += not demonstration.success
        report(demonstration, writer.episodes)
    return failures


def demonstrations(first_seed: int, noise: float, workers: int, ahead: int) -> Iterator[Demonstration]:
    """Endless demonstrations in the order of their seeds. ahead: how many are likely to be wanted."""
    make = partial(demonstrate, noise=noise)
    if workers <= 1:
        yield from map(make, _seeds(first_seed))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        seeds = _seeds(first_seed)
        pending = [pool.submit(make, next(seeds)) for _ in range(min(2 * workers, max(ahead, 1)))]
        try:
            while pending:
                yield pending.pop(0).result()
                pending.append(pool.submit(make, next(seeds)))
        finally:
            pool.shutdown(cancel_futures=True)


def _seeds(first: int) -> Iterator[int]:
    for seed in count(first):
        if seed in TEST_SEEDS:
            raise UVAError(f"seed {seed} belongs to the evaluation; choose another first seed")
        yield seed


@cache
def _pair() -> tuple[PushTWorld, PushTExpert]:
    """World and expert of this process."""
    return PushTWorld(), PushTExpert()
