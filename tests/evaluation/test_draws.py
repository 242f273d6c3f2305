"""How trials are spread over rows."""

import pytest

from hoigym.evaluation.trials import batches, side_by_side


@pytest.mark.parametrize(
    ("trials", "most", "rows", "counts"),
    [
        (200, 1024, 200, [200]),
        (200, 4096, 200, [200]),  # no row without a trial
        (1500, 1024, 750, [750, 750]),
        (2049, 1024, 683, [683, 683, 683]),
        (3, 2, 2, [2, 1]),
    ],
)
def test_no_more_rows_than_needed(trials: int, most: int, rows: int, counts: list[int]):
    assert side_by_side(trials, most) == rows
    assert batches(trials, rows) == counts
