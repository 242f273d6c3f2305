"""The encoded history in the observation: the reference's past at a start, then the row's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hoigym.envs.config import EpisodeConfig, HistoryConfig, StartConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.hist_encoder.checkpoint import save_encoder
from hoigym.hist_encoder.features import frame_features, reference_features
from hoigym.hist_encoder.model import EncoderShape, HistoryEncoder, NextFramePredictor
from hoigym.motions.library import MotionLibrary

MakeEnv = Callable[..., HOIVectorEnv]
LENGTH = 12


@pytest.fixture
def encoder(tmp_path: Path) -> HistoryEncoder:
    """An untrained encoder, saved at tmp_path / "encoder"."""
    torch.manual_seed(0)
    predictor = NextFramePredictor(EncoderShape(features=316, length=LENGTH, channels=(8, 8, 8)), predict_change=True)
    save_encoder(tmp_path / "encoder", predictor, skeleton="mocap", object_slots=1, facts={})
    return predictor.history_encoder.eval()


def _history_env(make_env: MakeEnv, tmp_path: Path, frame: int = 20, **settings: object) -> HOIVectorEnv:
    return make_env(
        history=HistoryConfig(encoder=str(tmp_path / "encoder")),
        start=StartConfig(clip=0, frame=frame),
        **settings,
    )


def test_three_numbers_are_appended_and_begin_with_the_reference_past(
    make_env: MakeEnv, encoder: HistoryEncoder, library: MotionLibrary, tmp_path: Path
) -> None:
    env = _history_env(make_env, tmp_path)
    obs, _ = env.reset(seed=0)
    assert obs.shape == (4, 905)
    window = reference_features(library, 1)[20 - LENGTH : 20]
    with torch.no_grad():
        torch.testing.assert_close(obs[:, -3:], encoder(window[None]).expand(4, 3), atol=1e-5, rtol=1e-4)


def test_a_start_early_in_the_clip_is_padded_with_zeros(
    make_env: MakeEnv, encoder: HistoryEncoder, library: MotionLibrary, tmp_path: Path
) -> None:
    obs, _ = _history_env(make_env, tmp_path, frame=5).reset(seed=0)
    window = torch.cat((torch.zeros(LENGTH - 5, 316), reference_features(library, 1)[:5]))
    with torch.no_grad():
        torch.testing.assert_close(obs[:, -3:], encoder(window[None]).expand(4, 3), atol=1e-5, rtol=1e-4)


def test_the_window_moves_on_with_the_simulated_states(
    make_env: MakeEnv, encoder: HistoryEncoder, library: MotionLibrary, tmp_path: Path
) -> None:
    env = _history_env(make_env, tmp_path)
    env.reset(seed=0)
    window = list(reference_features(library, 1)[20 - LENGTH : 20].unbind(0))
    for _ in range(6):
        state = env.sim.state
        present = frame_features(state.root_pos, state.root_quat, state.body_pos, state.joint_rot, state.object_pos)
        window = [*window[1:], present[0].clone()]
        obs, *_ = env.step(env.reference_actions())
        with torch.no_grad():
            torch.testing.assert_close(obs[0, -3:], encoder(torch.stack(window)[None])[0], atol=1e-4, rtol=1e-3)


def test_a_continued_history_is_exact(make_env: MakeEnv, encoder: HistoryEncoder, tmp_path: Path) -> None:
    def make() -> HOIVectorEnv:
        env = _history_env(make_env, tmp_path, episode=EpisodeConfig(length=6))
        env.reset(seed=1)
        return env

    env, other = make(), make()
    for _ in range(9):
        env.step(env.reference_actions())
    other.load_state_dict(env.state_dict())
    for _ in range(9):
        assert torch.equal(env.step(env.reference_actions())[0], other.step(other.reference_actions())[0])
