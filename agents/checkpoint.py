"""Which checkpoints of a policy are worth keeping."""

from pathlib import Path

from motions import checkpoint as stored
from motions.checkpoint import CheckpointError, list_checkpoints, read_state


def prune_checkpoints(run_dir: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints and the best one (see `best_checkpoint`)."""
    stored.prune_checkpoints(run_dir, keep, best_checkpoint(run_dir))


def best_checkpoint(run_dir: Path) -> Path | None:
    """The checkpoint of a run with the highest measured success, and among equals the highest mean reward.

    None where no checkpoint says its mean reward; without a measurement success counts as 0.
    """
    ranked: list[tuple[float, float, Path]] = []
    for path in list_checkpoints(run_dir):
        try:
            state = read_state(path)
        except CheckpointError:
            continue
        reward = state.get("mean_reward")
        if isinstance(reward, float):
            success = state.get("measured", {}).get("success/mean", 0.0)
            ranked.append((float(success), reward, path))
    return max(ranked)[2] if ranked else None
