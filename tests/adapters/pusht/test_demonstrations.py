"""The expert reaches the goal, and its demonstrations are stored as they were."""

from pathlib import Path

import numpy as np
import pytest

from hoigym.adapters.pusht.collect import Demonstration, collect, demonstrate
from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.replay_buffer import read_replay


def ignore(demonstration: Demonstration, stored: int) -> None:
    pass


@pytest.mark.parametrize("seed", [100_004, 100_029, 100_003])
def test_the_expert_solves_the_seed(seed: int):
    """The last one starts in a place where no single push helps: it has to look two pushes ahead."""
    found = demonstrate(seed, pictures=False)
    assert found.success
    assert found.reward == 1.0


@pytest.mark.slow
def test_the_expert_solves_most_seeds_with_noise():
    assert sum(demonstrate(seed, noise=6.0, pictures=False).success for seed in range(15)) >= 14


def test_the_expert_does_the_same_each_time():
    first, again = (demonstrate(100_029, pictures=False).arrays["action"] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_noise_is_carried_out_but_not_stored():
    clean, noisy = (demonstrate(100_029, noise=noise, pictures=False).arrays for noise in (0.0, 10.0))
    np.testing.assert_array_equal(clean["action"][0], noisy["action"][0])
    assert np.abs(clean["state"][1] - noisy["state"][1]).max() > 0.5


def test_a_stopped_collection_goes_on_to_the_same_episodes(tmp_path: Path):
    first = 7
    collect(tmp_path / "whole.zarr", 2, 6.0, first, 1, ignore)
    collect(tmp_path / "parts.zarr", 1, 6.0, first, 1, ignore)
    collect(tmp_path / "parts.zarr", 2, 6.0, first, 1, ignore)
    whole, parts = (read_replay(tmp_path / f"{name}.zarr") for name in ("whole", "parts"))
    assert whole.seeds.tolist() == parts.seeds.tolist() == [first, first + 1]
    for name in ("img", "state", "action"):
        np.testing.assert_array_equal(whole.arrays[name], parts.arrays[name])
    assert whole.arrays["img"].shape[1:] == (96, 96, 3)
    assert whole.arrays["state"].shape[1:] == (5,)


def test_seeds_of_the_evaluation_are_refused(tmp_path: Path):
    with pytest.raises(UVAError, match="100000"):
        collect(tmp_path / "demos.zarr", 1, 0.0, 100_000, 1, ignore)
