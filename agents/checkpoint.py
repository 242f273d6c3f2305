"""Which checkpoints of a policy are worth keeping."""

from pathlib import Path

from motions import checkpoint as stored
from motions.checkpoint import CheckpointError, list_checkpoints, read_state


def prune_checkpoints(run_dir: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints and the best one (see `best_checkpoint`)."""
    stored.prune_checkpoints(run_dir, keep, best_checkpoint(run_dir))


def best_checkpoint(run_dir: Path) -> Path | None:
    """The checkpoint of a run with the highest measured success, and among equals the highest reward.

    That is the measured one, and without a measurement, for which success counts as 0, the mean of the epoch. None
    where no checkpoint says its reward.
    """
    ranked: list[tuple[float, float, Path]] = []
    for path in list_checkpoints(run_dir):
        try:
            state = read_state(path)
        except CheckpointError:
            continue
        reward = state.get("mean_reward")
        if isinstance(reward, float):
            measured = state.get("measured", {})
            ranked.append((measured.get("success/mean", 0.0), measured.get("success/nr", reward), path))
    return max(ranked)[2] if ranked else None
