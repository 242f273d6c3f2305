from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from hoigym.agents.ppo import UpdateStats
from hoigym.agents.progress import EpochReport, ProgressLines, curve_values, format_line
from hoigym.agents.stats import RolloutRecorder, RolloutStats
from hoigym.agents.training import train
from hoigym.core.progress import format_count, format_seconds
from tests.agents.settings import quick
from tests.agents.toy_env import ToyEnv


def make_report(**changes: Any) -> EpochReport:
    rollout = RolloutStats(
        reward=0.3124,
        reward_terms={"body": 0.5, "ball": 0.25},
        episodes=10,
        episode_length=41.26,
        episode_return=12.0,
        survived=0.62,
        diverged=1,
    )
    update = UpdateStats(actor_loss=-0.01, critic_loss=0.2, bounds_loss=0.001, kl=0.012, clip_fraction=0.1)
    facts: dict[str, Any] = {
        "epoch": 120,
        "samples": 3_932_160,
        "samples_per_second": 1512.0,
        "shares": {"env": 0.61, "policy": 0.09, "update": 0.30},
        "learning_rate": 2e-5,
        "rollout": rollout,
        "update": update,
        "diverged": 2,
    }
    return EpochReport(**(facts | changes))


def test_line_says_it_all() -> None:
    assert format_line(make_report(), 1000, 751.0) == (
        "epoch 120/1000  samples 3.93 M  1.51 k/s (env/policy/update 61/9/30 %)  reward 0.312  length 41.3"
        "  survived 62 %  diverged 2  lr 2.0e-05  left 12:31"
    )


def test_events_are_told_when_there_are_any() -> None:
    """Solver limits are ordinary and only a curve; what did not happen is not said."""
    report = make_report(
        events={"full_contacts": 2, "full_constraints": 0, "solver_limit": 40},
        event_totals={"full_contacts": 7, "full_constraints": 0, "solver_limit": 900},
    )
    assert "  diverged 2  full_contacts 7  lr " in format_line(report, 1000, 0.0)
    curves = curve_values(report)
    health = {tag: value for tag, value in curves.items() if tag.startswith("health/")}
    assert health == {
        "health/diverged_worlds": 1.0,
        "health/full_contacts": 2.0,
        "health/full_constraints": 0.0,
        "health/solver_limit": 40.0,
    }


def test_line_without_a_finished_episode() -> None:
    nan = float("nan")
    rollout = replace(make_report().rollout, episodes=0, episode_length=nan, episode_return=nan, survived=nan)
    line = format_line(make_report(rollout=rollout), 1000, 0.0)
    assert "length -  survived -  diverged 2" in line


def test_numbers_for_people() -> None:
    assert [format_count(n) for n in (7, 950.4, 12_340, 4_561_000, 1.31e9)] == [
        "7", "950", "12.3 k", "4.56 M", "1.31 G"
    ]  # fmt: skip
    assert [format_seconds(s) for s in (5, 65, 3600, 7325.4)] == ["0:05", "1:05", "1:00:00", "2:02:05"]


def test_lines_keep_their_distance(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("hoigym.agents.progress.time.monotonic", lambda: now[0])
    lines = ProgressLines(quick(max_epochs=100, progress_seconds=5.0), start_epoch=20, begin=0.0)
    for epoch in range(21, 31):
        now[0] += 2.0
        lines.show(make_report(epoch=epoch), final=epoch == 30)
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in shown] == ["21/100", "24/100", "27/100", "30/100"]
    assert shown[-1].endswith(f"left {format_seconds(70 * 2.0)}")


@pytest.mark.parametrize(
    ("limit", "left"),
    [({}, 90 * 2.0), ({"max_samples": 2000}, 10 * 2.0), ({"max_minutes": 1.0}, 60.0 - 30.0 - 20.0)],
)
def test_time_left_follows_the_nearest_limit(
    limit: dict[str, float], left: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("hoigym.agents.progress.time.monotonic", lambda: now[0])
    lines = ProgressLines(quick(max_epochs=100, **limit), start_epoch=0, begin=-30.0)
    now[0] = 20.0
    lines.show(make_report(epoch=10, samples=1000))
    assert capsys.readouterr().out.rstrip().endswith(f"left {format_seconds(left)}")


def test_recorder_by_hand() -> None:
    """Two worlds, three steps: world 0 terminates at step 1, world 1 is truncated at step 2."""
    recorder = RolloutRecorder(2, torch.device("cpu"))
    rewards = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([5.0, 6.0])]
    no = [False, False]
    ends = [(no, no), ([True, False], no), (no, [False, True])]
    for step, (reward, (terminated, truncated)) in enumerate(zip(rewards, ends, strict=True)):
        info = {"reward_terms": {"half": reward / 2}, "diverged": torch.tensor([step == 1, False])}
        recorder.add(reward, torch.tensor(terminated), torch.tensor(truncated), info)
    stats = recorder.collect()
    assert stats == RolloutStats(
        reward=3.5,
        reward_terms={"half": 1.75},
        episodes=2,
        episode_length=2.5,
        episode_return=(4.0 + 12.0) / 2,
        survived=0.5,
        diverged=1,
    )
    assert recorder.running_return.tolist() == [5.0, 0.0]
    assert recorder.running_length.tolist() == [1.0, 0.0]


class Watched(ToyEnv):
    """Keeps all it gave out."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs)
        self.rewards: list[Tensor] = []
        self.near: list[Tensor] = []
        self.done: list[Tensor] = []

    def step(self, actions: Tensor, /) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        obs, reward, terminated, truncated, info = super().step(actions)
        self.rewards.append(reward)
        self.near.append(info["reward_terms"]["near"])
        self.done.append(terminated | truncated)
        return obs, reward, terminated, truncated, info


def test_curves_hold_the_right_values(tmp_path: Path) -> None:
    env = Watched(8)
    train(tmp_path / "run", env, quick(max_epochs=3), task="toy")
    events = EventAccumulator(str(tmp_path / "run" / "summaries"))
    events.Reload()
    wanted = set(curve_values(make_report())) - {"reward_terms/body", "reward_terms/ball"}
    assert set(events.Tags()["scalars"]) == wanted | {"reward_terms/near", "reward_terms/calm"}

    def values(tag: str) -> list[float]:
        points = events.Scalars(tag)
        assert [point.step for point in points] == [128, 256, 384]
        return [point.value for point in points]

    reward = torch.stack(env.rewards).view(3, -1).mean(1).tolist()
    near = torch.stack(env.near).view(3, -1).mean(1).tolist()
    count = torch.stack(env.done).view(3, -1).sum(1).tolist()
    assert values("reward/mean") == pytest.approx(reward, rel=1e-6)
    assert values("reward_terms/near") == pytest.approx(near, rel=1e-6)
    assert values("episode/count") == count
    assert values("counters/epoch") == [1, 2, 3]
    assert values("policy/learning_rate") == pytest.approx([1e-3] * 3)
    assert values("health/diverged_worlds") == [0, 0, 0]
    shares = [values(f"performance/{name}_share") for name in ("env", "policy", "update")]
    assert all(0.5 < sum(parts) <= 1.0 for parts in zip(*shares, strict=True))


def test_what_is_measured_is_told_with_the_best_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured = iter(({"success/walk": 0.5, "success/mean": 0.5}, {"success/walk": 0.25, "success/mean": 0.25}))
    settings = quick(max_epochs=2, save_every=1)
    train(tmp_path / "run", ToyEnv(8), settings, task="toy", measure=lambda act: next(measured))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("measured")]
    assert told == [
        "measured: walk 0.50  mean 0.50  (best checkpoint: epoch_000001)",
        "measured: walk 0.25  mean 0.25  (best checkpoint: epoch_000001)",
    ]
