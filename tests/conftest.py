"""Fixtures of the whole suite."""

from pathlib import Path

import pytest

from hoigym.motions.clip import Clip
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Directory of the published data, next to the repository; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no published data: {SHARED} is not there")
    return SHARED


@pytest.fixture(scope="session")
def demo_clips() -> dict[str, Clip]:
    """The committed demo clips by name."""
    return {clip.name: clip for clip in load_clips(CLIP_DIR)}
