"""What a run says while it trains: lines in the terminal and curves in TensorBoard."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from hoigym.agents.config import AgentConfig
from hoigym.agents.stats import RolloutStats, UpdateStats
from hoigym.core.progress import format_count, format_seconds

SECTIONS = ("env", "policy", "update")


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """Everything known about one epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        samples: Samples seen by the run so far.
        samples_per_second: Speed of this epoch.
        shares: Share of the epoch's time by section: env, policy, update.
        learning_rate: Step size at the epoch's end.
        rollout: Rewards and episodes.
        update: Losses and policy change.
        diverged: Worlds thrown away since this session began.
        events: What else the environment counted in this epoch, by name.
        event_totals: The same since this session began.
    """

    epoch: int
    samples: int
    samples_per_second: float
    shares: dict[str, float]
    learning_rate: float
    rollout: RolloutStats
    update: UpdateStats
    diverged: int
    events: dict[str, int] = field(default_factory=dict)
    event_totals: dict[str, int] = field(default_factory=dict)


class Summaries:
    """TensorBoard curves over samples, in `<run>/summaries`.

    Args:
        run_dir: Folder of the run.
        resumed_at: Samples at which a resumed run goes on; what was drawn beyond them is hidden.
    """

    def __init__(self, run_dir: Path, resumed_at: int | None = None) -> None:
        purge = None if resumed_at is None else resumed_at + 1
        self._writer = SummaryWriter(str(run_dir / "summaries"), purge_step=purge)

    def write(self, report: EpochReport) -> None:
        """Add one point to every curve; a mean over no episode is left out."""
        self.add(curve_values(report), report.samples)

    def add(self, values: Mapping[str, float], samples: int) -> None:
        """Add a point to the curves called so."""
        for tag, value in values.items():
            if math.isfinite(value):
                self._writer.add_scalar(tag, value, samples)

    def flush(self) -> None:
        """Bring every point so far to the disk."""
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def curve_values(report: EpochReport) -> dict[str, float]:
    """Value of every curve, by its tag."""
    rollout, update = report.rollout, report.update
    values = {
        "reward/mean": rollout.reward,
        **{f"reward_terms/{name}": value for name, value in rollout.reward_terms.items()},
        "episode/length": rollout.episode_length,
        "episode/return": rollout.episode_return,
        "episode/survived": rollout.survived,
        "episode/count": rollout.episodes,
        **update.curves(),
        "policy/learning_rate": report.learning_rate,
        "performance/samples_per_second": report.samples_per_second,
        **{f"performance/{name}_share": share for name, share in report.shares.items()},
        "health/diverged_worlds": rollout.diverged,
        **{f"health/{name}": count for name, count in report.events.items()},
        "counters/epoch": report.epoch,
    }
    return {tag: float(value) for tag, value in values.items()}


class ProgressLines:
    """One line of text now and then, the same in a terminal and in a file.

    Args:
        config: Limits of the run, for the time left.
        start_epoch: Epochs done before this session.
        begin: `time.monotonic()` from which `max_minutes` counts.
    """

    def __init__(self, config: AgentConfig, start_epoch: int, begin: float) -> None:
        self._config = config
        self._start_epoch = start_epoch
        self._begin, self._first_epoch = begin, time.monotonic()
        self._last = -math.inf

    def show(self, report: EpochReport, *, final: bool = False) -> None:
        """Print a line, unless the last one is younger than `progress_seconds`."""
        now = time.monotonic()
        if final or now - self._last >= self._config.progress_seconds:
            print(format_line(report, self._config.max_epochs, self._seconds_left(report, now)), flush=True)
            self._last = now

    def _seconds_left(self, report: EpochReport, now: float) -> float:
        config = self._config
        done = report.epoch - self._start_epoch
        epochs_left = config.max_epochs - report.epoch
        if config.max_samples:
            per_epoch = report.samples / report.epoch
            epochs_left = min(epochs_left, math.ceil((config.max_samples - report.samples) / per_epoch))
        left = max(0, epochs_left) * (now - self._first_epoch) / max(1, done)
        if config.max_minutes:
            left = min(left, max(0.0, self._begin + 60.0 * config.max_minutes - now))
        return left


class StepLines:
    """One line now and then of how far something is whose steps are counted; none where it is done before.

    what: it, before the numbers. total: its steps. seconds: least time between two lines.
    """

    def __init__(self, what: str, total: int, seconds: float) -> None:
        self._what, self._total, self._seconds = what, total, seconds
        self._begin = self._last = time.monotonic()

    def show(self, done: int, facts: Callable[[], str] = lambda: "") -> None:
        """Print a line where it is time for one; only then are the facts asked for, which may cost waiting."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return
        self._last = now
        left = format_seconds((self._total - done) * (now - self._begin) / max(1, done))
        print(f"{self._what} {done}/{self._total}{facts()}  left {left}", flush=True)


def _alarms(totals: Mapping[str, int]) -> str:
    """Events of which there should be none; that a solver reached its limit happens all the time."""
    return "".join(f"  {name} {count}" for name, count in totals.items() if count and not name.endswith("_limit"))


def format_measured(measured: Mapping[str, float], best: Path | None) -> str:
    """The terminal line of what was measured at a checkpoint, by the last parts of the curves' tags."""
    numbers = "  ".join(f"{tag.rpartition('/')[2]} {value:.2f}" for tag, value in measured.items())
    return f"measured: {numbers}" + ("" if best is None else f"  (best checkpoint: {best.name})")


def format_line(report: EpochReport, max_epochs: int, seconds_left: float) -> str:
    """The terminal line of one epoch."""
    rollout = report.rollout
    shares = "/".join(f"{100 * report.shares.get(name, 0.0):.0f}" for name in SECTIONS)
    length = "-" if math.isnan(rollout.episode_length) else f"{rollout.episode_length:.1f}"
    survived = "-" if math.isnan(rollout.survived) else f"{100 * rollout.survived:.0f} %"
    return (
        f"epoch {report.epoch}/{max_epochs}  samples {format_count(report.samples)}"
        f"  {format_count(report.samples_per_second)}/s ({'/'.join(SECTIONS)} {shares} %)"
        f"  reward {rollout.reward:.3f}  length {length}  survived {survived}"
        f"  diverged {report.diverged}{_alarms(report.event_totals)}"
        f"  lr {report.learning_rate:.1e}  left {format_seconds(seconds_left)}"
    )
