"""A control step never makes the host wait for the GPU: shown on the CPU, and on a GPU where there is one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from envs.config import EnvConfig, EpisodeConfig, HistoryConfig, StartConfig
from envs.scene.config import ProjectileConfig, SceneConfig
from envs.sim.warp_config import WarpConfig
from envs.vector_env import HOIVectorEnv
from hist_encoder.checkpoint import save_encoder
from hist_encoder.model import EncoderShape, NextFramePredictor
from motions.library import MotionLibrary
from tests.envs.no_waiting import Waits, no_waiting

pytest.importorskip("envs.sim.mujoco_warp_engine", reason="needs mujoco-warp and warp-lang", exc_type=ImportError)
ROWS = 16


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    """Folder of an untrained history encoder."""
    predictor = NextFramePredictor(EncoderShape(features=316, length=12, channels=(8, 8, 8)), predict_change=True)
    save_encoder(tmp_path / "encoder", predictor, skeleton="mocap", object_slots=1, facts={})
    return str(tmp_path / "encoder")


def make(library: MotionLibrary, encoder: str, device: str) -> HOIVectorEnv:
    """With everything that looks at single rows: noise, switches, adaptive sampling, early ends, last frames, scattered
    objects, windows of motion, history, boxes to throw."""
    config = EnvConfig(
        num_envs=ROWS,
        engine="mujoco_warp",
        warp=WarpConfig(device=device),
        scene=SceneConfig(hands="locked", projectiles=ProjectileConfig(count=2)),
        history=HistoryConfig(encoder=encoder),
        start=StartConfig(noise=0.3, switch=0.3, adaptive=0.5, scatter=0.3),
        episode=EpisodeConfig(length=6, max_root_error=0.5, max_object_error=0.5),
    )
    env = HOIVectorEnv(config, library)
    env.keep_last_frames(8)
    env.watch_motion(4)
    return env


def one_hot(index: torch.Tensor, classes: int) -> torch.Tensor:
    """torch's own checks the ids, which waits on a CPU but not on a GPU."""
    return (index[:, None] == torch.arange(classes, device=index.device)).long()


@pytest.mark.parametrize(
    "waits",
    [
        lambda values: values.nonzero(),
        lambda values: float(values[0]),
        lambda values: bool(values.any()),
        lambda values: values.tolist(),
        lambda values: values[values > 1],
        lambda values: values.unique(),
        lambda values: values[[0, 1]],
        lambda values: torch.tensor([1.0]),
        lambda values: values + torch.zeros(4),
        lambda values: torch.normal(values, values),
    ],
)
def test_waiting_is_found(waits: Callable[[torch.Tensor], object]) -> None:
    values = torch.arange(4.0)
    with no_waiting():
        torch.where(values > 1, values, 0.0)[values.long()]
        with pytest.raises(Waits):
            waits(values)


@pytest.mark.slow
def test_a_step_as_a_gpu_takes_it_waits_for_nothing(
    library: MotionLibrary, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("envs.sim.rows", "envs.start", "envs.vector_env"):
        monkeypatch.setattr(f"{module}.counting_stalls", lambda device: True)
    monkeypatch.setattr("conditioners.label.functional.one_hot", one_hot)
    env = make(library, encoder, "cpu")
    assert env._observer._history is not None
    env._observer._history._selects = False
    env.reset(seed=0)
    ended = torch.zeros(ROWS, dtype=torch.long)
    with no_waiting():
        for _ in range(40):
            done = env.step(env.reference_actions())[4]["_final_obs"]
            env.throw(done)
            ended += done
    assert (ended >= 2).all()
    assert torch.isfinite(env.sim.state.root_pos).all()


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_step_on_a_gpu_waits_for_nothing(library: MotionLibrary, encoder: str) -> None:
    env = make(library, encoder, "cuda")
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.reference_actions())
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            env.step(env.reference_actions())
    finally:
        torch.cuda.set_sync_debug_mode("default")
