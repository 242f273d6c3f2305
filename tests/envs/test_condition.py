"""The condition in the observation of a running environment."""

import torch

from hoigym.conditioners.table import ConditionTable, save_table
from hoigym.envs.clips import load_library
from hoigym.envs.make import make_env, task_config

WIDTH = 3


def make(tmp_path, variants: int = 1, **condition):
    """A locomotion environment whose condition is the library row, before standardising."""
    config = task_config("locomotion", num_envs=8, threads=1)
    library = load_library(config, torch.device("cpu"))
    rows = torch.arange(float(library.num_frames))[None, :, None].expand(variants, -1, WIDTH).clone()
    rows += 10_000.0 * torch.arange(float(variants))[:, None, None]
    path = tmp_path / "z.npz"
    save_table(ConditionTable(rows / 100.0, library.fps, library.content_hash), path)
    values = rows / 100.0
    flat = values.half().float().flatten(0, 1)
    moments = flat.mean(0), flat.std(0, correction=0)
    env = make_env(
        task_config("locomotion", num_envs=8, threads=1, condition={"kind": "table", "file": str(path), **condition})
    )
    return env, moments


def condition_rows(env, obs, moments):
    """Library row (N,) that the condition in obs stands for."""
    mean, scale = moments
    return ((obs[:, -WIDTH:] * scale + mean) * 100.0)[:, 0].round()


def test_the_condition_is_that_of_the_frame_that_is_followed(tmp_path):
    env, moments = make(tmp_path)
    obs, _ = env.reset(seed=1)
    for _ in range(4):
        row = env.library.frame_index(env.clip, env.start_frame + env.progress)
        assert torch.equal(condition_rows(env, obs, moments), row.float())
        obs = env.step(torch.zeros_like(env.reference_actions()))[0]
    env.close()


def test_a_held_condition_changes_only_when_it_is_due(tmp_path):
    env, moments = make(tmp_path, hold=0.05)
    start = torch.full((8,), int(env.library.clip_start[1]) + 10)
    obs, _ = env.reset(seed=1, options={"start": start})
    seen = []
    for _ in range(7):
        seen.append(condition_rows(env, obs, moments)[0].item() - float(start[0]))
        obs = env.step(env.reference_actions())[0]
    env.close()
    assert seen == [0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 6.0]


def test_every_episode_draws_a_variant_and_a_resumed_one_keeps_it(tmp_path):
    env, _ = make(tmp_path, variants=4)
    env.reset(seed=3)
    drawn = env.variant.clone()
    assert len(drawn.unique()) > 1
    assert int(drawn.max()) < 4
    state = env.state_dict()
    env.reset(seed=4)
    env.load_state_dict(state)
    assert torch.equal(env.variant, drawn)
    env.close()
