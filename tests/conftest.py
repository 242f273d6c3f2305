"""Fixtures of the whole suite."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Directory of the published data, next to the repository; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no published data: {SHARED} is not there")
    return SHARED
