"""Starts drawn ahead."""

from collections.abc import Callable

import pytest
import torch

from hoigym.envs.config import EpisodeConfig, StartConfig
from hoigym.envs.start import EpisodeStart, StartPool
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.state import FrameLayout, Frames, MotionState

ROWS = 6


class Counting:
    """Draws starts whose clips are numbered through."""

    def __init__(self) -> None:
        self.drawn = 0

    def draw(self, count: int) -> EpisodeStart:
        clip = self.drawn + torch.arange(count)
        self.drawn += count
        layout = FrameLayout(2, 1)
        state = MotionState.of(Frames(clip[:, None].float().repeat(1, layout.width), layout))
        return EpisodeStart(clip, clip + 100, clip + 200, state)


def pool() -> StartPool:
    return StartPool(Counting(), ROWS, torch.device("cpu"))  # pyright: ignore[reportArgumentType]


def chosen(*rows: int) -> torch.Tensor:
    return torch.isin(torch.arange(ROWS), torch.tensor(rows))


def take(starts: StartPool, *rows: int) -> EpisodeStart:
    """What a step takes in which these rows restart."""
    starts.renew()
    return starts.take(chosen(*rows))


def test_rows_take_one_start_after_the_other() -> None:
    starts = pool()
    first = take(starts, 1, 4)[chosen(1, 4)]
    assert first.clip.tolist() == [0, 1]
    assert first.frame.tolist() == [100, 101]
    assert first.wait.tolist() == [200, 201]
    assert first.state.root_pos[:, 0].tolist() == [0.0, 1.0]
    take(starts)
    assert take(starts, 0, 1, 5).clip[chosen(0, 1, 5)].tolist() == [2, 3, 4]
    assert take(starts, 2, 3).clip[chosen(2, 3)].tolist() == [5, 0]  # shared: none was left


def test_it_draws_anew_every_sixteen_steps_and_when_emptied() -> None:
    starts = pool()
    for _ in range(16):
        assert (take(starts, 2).clip < ROWS).all()
    again = take(starts, 2)
    assert again.clip[2] == ROWS
    assert again.state.root_pos[2, 0] == ROWS
    starts.empty()
    assert take(starts, 3).clip[3] == 2 * ROWS


def test_an_environment_starts_from_its_pool_as_from_fresh_draws(
    make_env: Callable[..., HOIVectorEnv], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a GPU would be asked how many rows restart: states, skills and rewards fit, frames are spread alike."""

    def rollout(pooled: bool) -> torch.Tensor:
        for module in ("hoigym.sim.env_ids", "hoigym.envs.start", "hoigym.envs.vector_env"):
            monkeypatch.setattr(f"{module}.counting_stalls", lambda device: pooled)
        episode = EpisodeConfig(length=5, fall_height=None)
        env = make_env(num_envs=128, episode=episode, start=StartConfig(noise=0.2, clip=0))
        env.reset(seed=0)
        frames = []
        for _ in range(36):
            _, reward, _, _, info = env.step(env.reference_actions())
            new = info["_final_obs"]
            assert (env.progress[new] == 0).all()
            frames.append(env.start_frame[new])
            near = env.sim.state.root_pos[new][:, :2] - env.reference().root_pos[new][:, :2]
            assert near.abs().sum() < 1e-3
            assert reward.max() > 0.3
        return torch.cat(frames)

    fresh, ahead = rollout(False), rollout(True)
    assert len(fresh) > 1000
    assert len(ahead) > 1000
    assert fresh.unique().tolist() == ahead.unique().tolist()
    assert fresh.double().mean() == pytest.approx(ahead.double().mean(), abs=1.5)
