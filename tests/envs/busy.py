"""An environment with everything on that looks at single rows, and the way a GPU takes through it."""

from pathlib import Path

import pytest
import torch

from hoigym.envs.config import EnvConfig, EpisodeConfig, HistoryConfig, StartConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.hist_encoder.checkpoint import save_encoder
from hoigym.hist_encoder.model import EncoderShape, NextFramePredictor
from hoigym.motions.library import MotionLibrary
from hoigym.sim.engines import WarpConfig
from hoigym.sim.scene.config import ProjectileConfig, SceneConfig

ROWS = 16


def untrained_encoder(folder: Path) -> str:
    """Folder of an untrained history encoder."""
    predictor = NextFramePredictor(EncoderShape(features=316, length=12, channels=(8, 8, 8)), predict_change=True)
    save_encoder(folder, predictor, skeleton="mocap", object_slots=1, facts={})
    return str(folder)


def busy_env(library: MotionLibrary, encoder: str, device: str, graphs: bool = True) -> HOIVectorEnv:
    """With noise, switches, adaptive sampling, early ends, last frames, scattered objects, windows of motion, history
    and boxes to throw, on engine mujoco_warp."""
    config = EnvConfig(
        num_envs=ROWS,
        engine="mujoco_warp",
        warp=WarpConfig(device=device, graphs=graphs),
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


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch, library: MotionLibrary, encoder: str) -> HOIVectorEnv:
    """A busy environment on the CPU that never asks how many rows are selected, as on a GPU."""
    for module in ("hoigym.sim.env_ids", "hoigym.envs.start", "hoigym.envs.vector_env"):
        monkeypatch.setattr(f"{module}.counting_stalls", lambda device: True)
    monkeypatch.setattr("hoigym.conditioners.base.functional.one_hot", one_hot)
    env = busy_env(library, encoder, "cpu")
    assert env._observer._history is not None
    env._observer._history._selects = False
    return env
