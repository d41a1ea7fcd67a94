"""Progress as text: tiles, failures, rates and times."""

import pytest

from fringefleet.cli.progress import progress_text, with_prefix
from fringefleet.execution.scheduler import RunProgress
from fringefleet.execution.statistics import TileStatistics


def test_tiles_their_failures_and_their_bytes_are_in_the_text():
    numbers = TileStatistics(
        n_tile=4, n_pixel=500_000, bytes_read=10_000_000_000, bytes_written=2_000_000_000
    )
    text = progress_text(0.5, 500_000, 10.0, RunProgress(None, numbers, 10, 10.0, n_failed=1))
    assert text == " 50 %, 4 of 10 tiles, 1 failed, 500 kpx, 50 kpx/s, 1.2 GB/s, 0:00:10 left"


def test_nothing_is_said_of_what_nobody_counts():
    assert progress_text(1.0, 0, 61.0) == "100 %, 0:01:01 in all"
    assert progress_text(0.0, 0, 1.0) == "  0 %"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (1234, "1.23 kB"), (5e13, "50 TB"), (999_499, "999 kB")],
)
def test_a_number_has_three_digits_and_the_prefix_that_it_needs(value, text):
    assert with_prefix(value, "B") == text
