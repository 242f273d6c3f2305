"""The history in an environment's observations, over resets."""

from pathlib import Path

import torch
from torch import Tensor

from hoigym.envs.config import EnvConfig, EpisodeConfig, HistoryConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.hist_encoder.checkpoint import save_encoder
from hoigym.hist_encoder.features import frame_features, reference_features
from hoigym.motions.library import MotionLibrary
from tests.envs.conftest import standing_clip
from tests.hist_encoder.histories import SMALL, PlainHistory, random_encoder, window_before

ROWS = 5


def restart(plain: PlainHistory, env: HOIVectorEnv, rows: list[int]) -> None:
    features = reference_features(env.library)
    for row in rows:
        clip, frame = int(env.clip[row]), int(env.start_frame[row])
        plain.frames[row] = window_before(features, env.library, clip, frame, 60)


def present(env: HOIVectorEnv) -> Tensor:
    state = env.sim.state
    return frame_features(state.root_pos, state.root_quat, state.body_pos, state.joint_rot, state.object_pos).clone()


def test_observations_end_with_the_encoded_history(tmp_path: Path) -> None:
    encoder = random_encoder(channels=SMALL)
    assert encoder.predictor is not None
    save_encoder(tmp_path / "encoder", encoder.predictor, "mocap", 1, {})
    library = MotionLibrary([standing_clip("a", 13, 90, sway=0.4), standing_clip("b", 10, 30, sway=0.2)])
    config = EnvConfig(
        num_envs=ROWS,
        threads=1,
        history=HistoryConfig(encoder=str(tmp_path / "encoder")),
        episode=EpisodeConfig(length=7),
    )
    env = HOIVectorEnv(config, library)
    plain = PlainHistory(encoder, ROWS, 316)
    try:
        obs, _ = env.reset(seed=1)
        assert obs.shape == (ROWS, 905)
        restart(plain, env, list(range(ROWS)))
        resets = 0
        for _ in range(30):
            torch.testing.assert_close(obs[:, -3:], plain.embedding, rtol=1e-4, atol=1e-5)
            plain.push(present(env))
            obs, _, terminated, truncated, info = env.step(torch.zeros(ROWS, 156))
            torch.testing.assert_close(info["final_obs"][:, -3:], plain.embedding, rtol=1e-4, atol=1e-5)
            done = (terminated | truncated).nonzero()[:, 0].tolist()
            restart(plain, env, done)
            resets += len(done)
        assert resets > ROWS
    finally:
        env.close()
