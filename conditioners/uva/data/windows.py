"""Which steps belong to a training window."""

import numpy as np
from numpy.typing import NDArray

from conditioners.uva.error import UVAError

Indices = NDArray[np.int64]


def windows(
    episode_ends: Indices, horizon: int, pad_before: int, pad_after: int, episodes: Indices | None = None
) -> Indices:
    """Every window of every episode: start, first step and end of its episode, (N, 3).

    A window is `horizon` steps long, starts at most `pad_before` steps before its episode and ends at most
    `pad_after` steps after it (Diffusion Policy's sequence sampler). episodes: which to use; all by default.
    """
    ends = np.asarray(episode_ends, dtype=np.int64)
    begins = np.concatenate([[0], ends[:-1]])
    rows = [np.empty((0, 3), np.int64)]
    for index in range(len(ends)) if episodes is None else episodes:
        begin, end = begins[index], ends[index]
        starts = np.arange(begin - pad_before, end - horizon + pad_after + 1)
        rows.append(np.stack([starts, np.full_like(starts, begin), np.full_like(starts, end)], axis=1))
    return np.concatenate(rows)


def window_steps(window: Indices, horizon: int) -> Indices:
    """The steps of one window (3,), (horizon,): outside its episode the first or last one is repeated."""
    start, begin, end = window
    return np.clip(np.arange(start, start + horizon), begin, end - 1)


def split_episodes(count: int, held_out: float, seed: int = 42) -> tuple[Indices, Indices]:
    """Episodes to train on and at least one to validate on, as the published code draws them.

    The numbers held out are those of numpy's default_rng(seed), without replacement; none where the share is 0.
    Raises UVAError for a share that is none.
    """
    if not 0.0 <= held_out < 1.0:
        raise UVAError(f"the share of episodes held out must lie in 0 .. 1, not {held_out:g}")
    if held_out == 0.0:
        return np.arange(count), np.empty(0, np.int64)
    number = min(max(1, round(count * held_out)), count - 1)
    chosen = np.random.default_rng(seed).choice(count, size=number, replace=False)
    mask = np.zeros(count, dtype=bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
