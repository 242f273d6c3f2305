"""Statistics of an epoch: its rollout, added up on the device, its update, and where its time goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hoigym.agents.rl_games_adapter import TrainingEnv
from hoigym.core.processes import ALONE, Ranks


class SectionTimer:
    """Adds up the seconds spent in named sections.

    On a CUDA device the sections are bracketed by events, which the device stamps when it gets there;
    they are read once, by `seconds`. On a CPU the clock is read at once.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[str, float] = {}
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def __call__(self, section: str) -> Iterator[None]:
        if self._device.type == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            # Of this device: without it torch takes the current one, which may be another.
            start.record(torch.cuda.current_stream(self._device))
            yield
            end.record(torch.cuda.current_stream(self._device))
            self._events.append((section, start, end))
        else:
            begin = time.perf_counter()
            yield
            self._add(section, time.perf_counter() - begin)

    def seconds(self) -> dict[str, float]:
        """Seconds by section since the last call; on CUDA this waits for the device."""
        if self._events:
            torch.cuda.synchronize(self._device)
        for section, start, end in self._events:
            self._add(section, start.elapsed_time(end) / 1000.0)
        seconds = self._seconds
        self._seconds, self._events = {}, []
        return seconds

    def _add(self, section: str, seconds: float) -> None:
        self._seconds[section] = self._seconds.get(section, 0.0) + seconds


# --- What an environment counts on its own: full buffers, solver limits ---------------------------------------------


_ELSEWHERE = "diverged"


class EventCounter:
    """Reads the running totals of an environment that keeps any (`counters`), once an epoch, over all processes.

    totals: name -> events since this object was made.
    """

    def __init__(self, env: TrainingEnv, ranks: Ranks = ALONE) -> None:
        self._env, self._ranks = env, ranks
        self._before = self._read()
        self.totals = dict.fromkeys(self._before, 0)

    def collect(self) -> dict[str, int]:
        """Events since the last call; waits for the device. Worlds that diverged are counted by the rollout."""
        now = self._read()
        events = {name: now[name] - self._before[name] for name in now}
        self._before = now
        self.totals = {name: self.totals[name] + count for name, count in events.items()}
        return events

    def _read(self) -> dict[str, int]:
        counters = getattr(self._env, "counters", {})
        counters = {name: total for name, total in counters.items() if name != _ELSEWHERE}
        values = self._ranks.sum(torch.stack(list(counters.values()))).tolist() if counters else []
        return dict(zip(counters, values, strict=True))


# --- What happened in an epoch: its rollout, added up on the device, and its update ---------------------------------


@dataclass(frozen=True, kw_only=True)
class RolloutStats:
    """Means over one epoch's rollout.

    Attributes:
        reward: Mean reward per step.
        reward_terms: Mean of every reward term per step.
        episodes: Episodes that ended.
        episode_length: Mean length in steps of the episodes that ended; NaN where none did.
        episode_return: Mean sum of rewards of the episodes that ended; NaN where none did.
        survived: Share of the ended episodes that reached their time limit; NaN where none ended.
        diverged: Worlds that were thrown away because the physics blew up.
    """

    reward: float
    reward_terms: dict[str, float]
    episodes: int
    episode_length: float
    episode_return: float
    survived: float
    diverged: int


@dataclass(frozen=True, kw_only=True)
class UpdateStats:
    """Means over one epoch's gradient steps.

    Attributes:
        actor_loss: Clipped surrogate loss.
        critic_loss: Squared error of the normalised value.
        bounds_loss: Squared excess of mean actions over -1..1, summed over the action.
        kl: KL divergence of the policy from the one that acted, over the last pass.
        clip_fraction: Share of samples whose probability ratio left the clipping range.
    """

    actor_loss: float
    critic_loss: float
    bounds_loss: float
    kl: float
    clip_fraction: float

    def curves(self) -> dict[str, float]:
        """The numbers by the tags of their curves."""
        return {
            "losses/actor": self.actor_loss,
            "losses/critic": self.critic_loss,
            "losses/bounds": self.bounds_loss,
            "policy/kl": self.kl,
            "policy/clip_fraction": self.clip_fraction,
        }


class RolloutRecorder:
    """Adds up rewards and episodes step by step, with no word to the host until `collect`.

    Attributes:
        running_return: (N,) sum of rewards of the episodes under way.
        running_length: (N,) steps of the episodes under way.
    """

    def __init__(self, num_envs: int, device: torch.device) -> None:
        self.running_return = torch.zeros(num_envs, device=device)
        self.running_length = torch.zeros(num_envs, device=device)
        self._names: tuple[str, ...] = ()
        self._steps = 0
        self._start()

    def add(self, rewards: Tensor, terminated: Tensor, truncated: Tensor, info: dict[str, Any]) -> None:
        """One step: rewards (N,), terminated and truncated (N,) bool, the environment's info."""
        self.running_return += rewards
        self.running_length += 1
        done = terminated | truncated
        survived = truncated & ~terminated
        diverged = info.get("diverged", torch.zeros_like(done))
        ended = done.to(rewards.dtype)
        rows = [
            rewards,
            ended,
            ended * self.running_length,
            ended * self.running_return,
            survived.to(rewards.dtype),
            diverged.to(rewards.dtype),
        ]
        terms: dict[str, Tensor] = info.get("reward_terms", {})
        self._names = tuple(terms)
        sums = torch.stack(rows + [terms[name] for name in self._names]).sum(dim=1, dtype=torch.float64)
        self._sums = sums if self._sums is None else self._sums + sums
        self._steps += 1
        self.running_return.masked_fill_(done, 0.0)
        self.running_length.masked_fill_(done, 0.0)

    def collect(self, ranks: Ranks = ALONE) -> RolloutStats:
        """The means since the last call, over all processes; the only place that waits for the device."""
        assert self._sums is not None, "collect() needs at least one step"
        reward, ended, length, total, survived, diverged, *terms = ranks.sum(self._sums).tolist()
        samples = self._steps * len(self.running_return) * ranks.count
        per_episode = 1.0 / ended if ended else float("nan")
        stats = RolloutStats(
            reward=reward / samples,
            reward_terms={name: term / samples for name, term in zip(self._names, terms, strict=True)},
            episodes=round(ended),
            episode_length=length * per_episode,
            episode_return=total * per_episode,
            survived=survived * per_episode,
            diverged=round(diverged),
        )
        self._start()
        return stats

    def _start(self) -> None:
        self._sums: Tensor | None = None
        self._steps = 0
