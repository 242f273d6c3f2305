"""PushT starts, steps and looks as published."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hoigym.adapters.pusht.world import TEST_SEEDS, PushTWorld, start_state


def test_the_seeds_are_those_published():
    assert TEST_SEEDS[0] == 100_000
    assert TEST_SEEDS[-1] == 100_049
    assert len(TEST_SEEDS) == 50


def test_a_seed_gives_the_published_start():
    np.testing.assert_allclose(start_state(100_000), [235, 124, 335, 128, -0.90492743], atol=1e-8)


def test_the_block_is_placed_before_it_is_turned():
    """So that its origin moves: turning is about the centre of mass, 45 pixels away."""
    world = PushTWorld()
    world.reset(100_000)
    angle = -0.90492743
    moved = 335 + 45 * math.sin(angle), 128 + 45 * (1 - math.cos(angle))
    np.testing.assert_allclose(world.state(), [235, 124, *moved, angle % (2 * math.pi)], atol=1e-6)


def test_the_recorded_comparison_is_of_that_order(shared: Path):
    """The original environment equals gym-pusht where it sets the position first, and only there."""
    found = json.loads((shared / "oracle" / "pusht_env_comparison.json").read_text())
    assert all(found["legacy=True"][name] == 0 for name in ("agent", "block", "reward", "img"))
    assert found["legacy=False"]["block"] > 100
    # A reset by seed alone draws another start: ours goes through the state.
    assert not any(found["legacy=True"]["seed_reset_equal"])


def test_reward_is_coverage_over_95_percent():
    world = PushTWorld()
    world.reset(0)
    world._env._set_state(np.array([50.0, 50.0, 256.0, 256.0, math.pi / 4]))
    # Placed before it is turned, so put it where its centre of mass belongs.
    block = world._env.block
    block.position = (256.0, 256.0)
    outcome = world.step(np.array([50.0, 50.0]))
    assert outcome.success
    assert outcome.reward == pytest.approx(1.0)


def test_an_image_is_96_pixels_and_shows_the_agent():
    world = PushTWorld()
    world.reset(100_000)
    image = world.image()
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    column, row = (int(value * 96 / 512) for value in world.state()[:2])
    red, _, blue = image[row, column].astype(int)
    assert blue > red + 50
