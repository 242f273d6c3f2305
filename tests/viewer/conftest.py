"""Fixtures of the viewer's tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.viewer.tabs import open_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless browser; the test is skipped, with the reason, where there is none."""
    opened = open_browser()
    yield opened
    opened.quit()
