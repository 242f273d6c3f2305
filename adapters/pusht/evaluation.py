"""PushT's published measure of a controller."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoigym.adapters.pusht.controller import Controller, Observation
from hoigym.adapters.pusht.world import EPISODE_STEPS, TEST_SEEDS, PushTWorld


@dataclass(frozen=True)
class PushTResult:
    """Episodes of a controller, one for each seed.

    reward: (N,) greatest reward of the episode. success: (N,) whether the coverage exceeded 95 %. steps: (N,) control
    steps. film: pictures (256, 256, 3) uint8 of each filmed episode, by seed.
    """

    seeds: tuple[int, ...]
    reward: NDArray[np.float64]
    success: NDArray[np.bool_]
    steps: NDArray[np.int64]
    film: dict[int, list[NDArray[np.uint8]]] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The published score: mean over the seeds of the greatest reward."""
        return float(self.reward.mean())

    @property
    def successes(self) -> int:
        """Episodes that succeeded."""
        return int(self.success.sum())

    def plain(self) -> dict[str, Any]:
        """Everything but the film, for a JSON file."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "film"}
        lists = {name: np.asarray(value).tolist() for name, value in values.items()}
        return {"score": self.score, "successes": self.successes, **lists}


def evaluate(
    controller: Controller,
    seeds: Sequence[int] = TEST_SEEDS,
    filmed: Sequence[int] = (),
    report: Callable[[int], None] | None = None,
) -> PushTResult:
    """Runs all seeds side by side, for 300 control steps or until success, so that a policy is asked once for all.

    filmed: seeds whose pictures are kept. report: called with the number of steps done, after each.
    """
    worlds = [PushTWorld() for _ in seeds]
    for world, seed in zip(worlds, seeds, strict=True):
        world.reset(seed)
    reward = np.zeros(len(worlds))
    success = np.zeros(len(worlds), dtype=bool)
    steps = np.zeros(len(worlds), dtype=np.int64)
    film: dict[int, list[NDArray[np.uint8]]] = {seed: [] for seed in filmed}
    controller.reset(len(worlds))
    for step in range(EPISODE_STEPS):
        rows = [row for row in range(len(worlds)) if not success[row]]
        if not rows:
            break
        actions = controller.act(_observe(worlds, rows, controller.sees))
        for row, action in zip(rows, actions, strict=True):
            outcome = worlds[row].step(np.clip(action, 0.0, 512.0))
            reward[row], success[row], steps[row] = max(reward[row], outcome.reward), outcome.success, step + 1
            if seeds[row] in film:
                film[seeds[row]].append(worlds[row].picture())
        if report:
            report(step + 1)
    return PushTResult(tuple(seeds), reward, success, steps, film)


def _observe(worlds: Sequence[PushTWorld], rows: list[int], images: bool) -> Observation:
    state = np.stack([worlds[row].state() for row in rows])
    image = np.stack([worlds[row].image() for row in rows]) if images else None
    return Observation(np.array(rows), state, image)
