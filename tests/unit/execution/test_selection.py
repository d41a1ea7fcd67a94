"""A selection takes what means something, and says what does not; every value is checked."""

from dataclasses import fields

import pytest

from fringefleet import Selection
from fringefleet.errors import OptionError
from fringefleet.execution.job import Run
from fringefleet.products.provenance import EXTRA_PROVENANCE


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": (5, 5)}, r"found rows = \(5, 5\), which are none; give the first row"),
        ({"columns": (-1, 5)}, r"found columns = \(-1, 5\), which are none; give the first column"),
        ({"rows": 5}, "found rows = 5; give the first row and the one behind the last: two whole numbers"),
        ({"rows": (0.0, 5.0)}, "two whole numbers"),
        ({"bbox": (1, 2, 3)}, "give west, south, east and north in degrees: 4 numbers"),
        ({"bbox": (1, 2, 3, float("nan"))}, "4 numbers"),
        ({"bbox": (3, 2, 1, 4)}, "south below north, and west below east"),
        ({"bbox": (1, 4, 3, 2)}, "south below north"),
        ({"bbox": (1, 2, 3, 91)}, "south below north"),
        ({"bbox": (1, 2, 3, 4), "rows": (1, 2)}, "found both bbox and rows or columns; give one"),
        ({"start_date": 20180106}, "found start_date = 20180106 of the type int; give text"),
        ({"exclude_dates": ()}, "found exclude_dates without a value"),
        ({"exclude_pairs": (1,)}, "found exclude_pairs = 1 of the type int; give text"),
        ({"max_temporal_baseline": 0}, r"found max_temporal_baseline = 0; give more than 0 \[days\]"),
        ({"max_perpendicular_baseline": -1.0}, r"give more than 0 \[m\]"),
        ({"max_temporal_baseline": float("inf")}, r"give more than 0 \[days\]"),
    ],
)
def test_what_means_nothing_is_refused_with_what_would_do(wrong, message):
    with pytest.raises(OptionError, match=message):
        Selection(**wrong)


def test_several_dates_are_texts_or_one_text_with_commas():
    expected = ("20180106", "20180118")
    for given in ("20180106,20180118", "20180106, 20180118", list(expected), expected):
        assert Selection(exclude_dates=given).exclude_dates == expected


def test_what_selects_something_is_given():
    assert Selection().given == {}
    assert Selection(rows=(1, 4), end_date="20180106").given == {"rows": (1, 4), "end_date": "20180106"}
    assert Selection(rows=(1, 4), end_date="20180106").of_pairs == {"end_date": "20180106"}


def test_a_run_takes_a_selection_and_nothing_else_for_one():
    assert Run("stack.zarr", "out.zarr", selection=Selection(rows=(1, 2))).selection.rows == (1, 2)
    with pytest.raises(OptionError, match=r"found selection = .* of the type tuple; give a Selection"):
        Run("stack.zarr", "out.zarr", selection=(1, 2))


def test_every_field_has_its_attribute_of_the_result():
    names = {f"selected_{field.name}" for field in fields(Selection)}
    assert names == {name for name in EXTRA_PROVENANCE if name.startswith("selected_")}
