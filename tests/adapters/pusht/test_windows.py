"""Training windows: which steps, which items, and nothing drawn from a global generator."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.replay_buffer import ReplayBuffer
from hoigym.adapters.uva.windows import (
    Augmentation,
    ReplayWindows,
    WindowOptions,
    augment,
    fit_arrays,
    split_episodes,
    window_steps,
    windows,
)

ENDS = np.array([40, 55])


@pytest.fixture(scope="module")
def buffer() -> ReplayBuffer:
    steps = np.arange(55)
    return ReplayBuffer(
        {
            "img": np.broadcast_to((steps % 256).astype(np.uint8)[:, None, None, None], (55, 96, 96, 3)),
            "action": np.stack([steps, -steps], 1).astype(np.float32),
            "state": np.repeat(steps[:, None], 5, 1).astype(np.float32),
        },
        ENDS,
        np.arange(2),
    )


def test_windows_are_the_published_ones(shared: Path):
    oracle = np.load(shared / "oracle" / "uva_sampler_io.npz")
    found = windows(oracle["episode_ends"], 32, 1, 7)
    first, last = np.maximum(found[:, 0], found[:, 1]), np.minimum(found[:, 0] + 32, found[:, 2])
    as_published = np.stack([first, last, first - found[:, 0], last - found[:, 0]], 1)
    np.testing.assert_array_equal(as_published, oracle["indices_h32_b1_a7"])


def test_steps_outside_the_episode_repeat_its_ends():
    steps = window_steps(np.array([38, 40, 55]), 20)
    assert steps.tolist() == [40, 40, *range(40, 55), 54, 54, 54]


def test_chosen_episodes_only():
    assert (windows(ENDS, 8, 0, 0, np.array([1]))[:, 1] == 40).all()


def test_held_out_episodes_are_those_published_for_pusht():
    assert split_episodes(206, 0.02)[1].tolist() == [18, 90, 134, 157]
    kept, held_out = split_episodes(10, 0.0)
    assert len(kept) == 10
    assert len(held_out) == 0


def test_a_sample(buffer: ReplayBuffer):
    samples = ReplayWindows(buffer, WindowOptions(pad_before=0, pad_after=0), text=torch.ones(512))
    assert len(samples) == 9
    sample = samples[2]
    assert sample["image"].shape == (32, 3, 96, 96)
    assert sample["image"][5].unique().item() == pytest.approx(7 / 255)
    assert sample["action"][:, 0].tolist() == list(range(2, 34))
    assert sample["agent_pos"].shape == (32, 2)
    assert sample["text"].shape == (512,)


def test_only_some_pictures(buffer: ReplayBuffer):
    options = WindowOptions(pad_before=0, pad_after=0, picture_steps=(3, 7, 31))
    image = ReplayWindows(buffer, options)[0]["image"]
    assert (image[:, 0, 0, 0] * 255).round().tolist() == [3, 7, 31]


def test_latents_are_left_as_they_are(buffer: ReplayBuffer):
    latents = np.random.default_rng(0).normal(size=(55, 4, 6, 6)).astype(np.float16)
    cached = ReplayBuffer({**buffer.arrays, "latent": latents}, ENDS, buffer.seeds)
    sample = ReplayWindows(cached, WindowOptions(picture="latent", pad_before=0))[0]
    assert "image" not in sample
    np.testing.assert_array_equal(sample["latent"].numpy(), latents[:32].astype(np.float32))


def test_augmented_draws_depend_on_their_seed_alone(buffer: ReplayBuffer):
    rng = np.random.default_rng(0)
    noisy = ReplayBuffer({**buffer.arrays, "img": rng.integers(0, 256, (55, 96, 96, 3), np.uint8)}, ENDS, buffer.seeds)
    samples = ReplayWindows(noisy, WindowOptions(augmentation=Augmentation(crop_chance=1.0)))
    before = torch.random.get_rng_state()
    first, again, other = (samples.draw(3, seed)["image"] for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, samples[3]["image"])


def test_all_frames_of_a_clip_change_alike():
    options = Augmentation(crop_chance=1.0, blur_chance=1.0)
    frame = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    for seed in range(4):
        changed = augment(frame.repeat(3, 1, 1, 1), options, torch.Generator().manual_seed(seed))
        assert changed.shape == (3, 3, 96, 96)
        assert torch.allclose(changed[0], changed[2], atol=1e-6)
        assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0


def test_blur_keeps_a_flat_picture():
    flat = torch.full((2, 3, 96, 96), 0.3)
    options = Augmentation(crop=1.0, blur_chance=1.0)
    assert torch.allclose(augment(flat, options, torch.Generator().manual_seed(0)), flat, atol=1e-6)


def test_what_normalisers_are_fitted_to(buffer: ReplayBuffer):
    fields = fit_arrays(buffer)
    assert set(fields) == {"action", "agent_pos"}
    assert fields["agent_pos"].shape == (55, 2)


def test_a_missing_array_is_named(buffer: ReplayBuffer):
    with pytest.raises(UVAError, match="wrist"):
        ReplayWindows(buffer, WindowOptions(picture="wrist"))


def test_every_episode_has_its_instruction(buffer: ReplayBuffer):
    texts = torch.stack([torch.zeros(4), torch.ones(4)])
    samples = ReplayWindows(buffer, WindowOptions(horizon=15, pad_before=2, pad_after=2), text=texts)
    seen = [
        (float(sample["state"][0, 0]) >= 40, bool(sample["text"][0]))
        for sample in map(samples.__getitem__, range(len(samples)))
    ]
    assert set(seen) == {(False, False), (True, True)}


def test_a_share_that_is_none_is_refused():
    with pytest.raises(UVAError, match="not 5"):
        split_episodes(10, 5.0)
