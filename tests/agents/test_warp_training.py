"""Training on engine mujoco_warp: what the engine counts is logged, and a world that overflows is kept."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hoigym.agents.config import AgentConfig
from hoigym.agents.training import train
from hoigym.envs.config import EnvConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.formats import load_clip
from hoigym.sim.engines import WarpConfig
from hoigym.sim.scene.config import SceneConfig

pytest.importorskip("hoigym.sim.mujoco_warp_engine", reason="needs mujoco-warp and warp-lang", exc_type=ImportError)
AGENT = AgentConfig(hidden_sizes=(8,), horizon=4, mini_epochs=1, threads=1, max_epochs=2)


@pytest.mark.slow
def test_full_buffers_are_counted_and_their_worlds_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Room for 24 constraints is six contacts: two feet on the ground are more."""
    warp = WarpConfig(device="cpu", njmax=24)
    env = HOIVectorEnv(EnvConfig(num_envs=4, engine="mujoco_warp", warp=warp, scene=SceneConfig(hands="locked")))
    incidents = env.keep_last_frames(10)
    train(tmp_path / "run", env, AGENT, task="ballplay", incidents=incidents)
    events = EventAccumulator(str(tmp_path / "run" / "summaries"))
    events.Reload()
    full = [point.value for point in events.Scalars("health/full_constraints")]
    diverged = [point.value for point in events.Scalars("health/diverged_worlds")]
    assert 0 < sum(full) <= sum(diverged) <= 2 * 4 * 4
    assert f"full_constraints {sum(full):.0f}  lr" in capsys.readouterr().out
    kept = sorted((tmp_path / "run" / "diverged").glob("*.npz"))
    assert kept
    assert all(load_clip(path).num_frames >= 4 for path in kept)
