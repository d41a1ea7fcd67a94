"""The columns of the functions of time, against their definitions, and what no date can tell apart."""

import numpy as np
import pytest

from fringefleet.errors import InputError
from fringefleet.solver.time_design import TimeModel, decimal_years
from fringefleet.solver.time_functions import TimeFunctions

DATES = tuple(
    str(day) for day in np.datetime64("2017-01-01T00:00:00") + np.arange(30) * np.timedelta64(40, "D")
)


def columns(used=range(30), **functions):
    return TimeModel(TimeFunctions(**functions), DATES, tuple(used)).matrix


def years_of_mintpy(dates):
    """The year and (day of the year - 1) / 365.25, by the calendar."""
    found = []
    for text in dates:
        moment = np.datetime64(text).item()
        day = (
            moment.timetuple().tm_yday - 1 + (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86400
        )
        found.append(moment.year + day / 365.25)
    return np.array(found)


def test_years_are_those_of_the_calendar_as_mintpy_counts():
    dates = (*DATES, "2016-12-31T23:59:59", "2020-02-29T12:30:00", "1999-03-01T00:00:00")
    np.testing.assert_allclose(decimal_years(dates), years_of_mintpy(dates), rtol=1e-15)


def test_the_columns_are_the_functions():
    years = years_of_mintpy(DATES)
    t, since = years - years[0], years - years_of_mintpy(["2018-06-01T12:00:00"])[0]
    begun = since > 0
    expected = [t**0, t, t**2 / 2, t**3 / 6]
    expected += [np.cos(2 * np.pi * t), np.sin(2 * np.pi * t), np.cos(4 * np.pi * t), np.sin(4 * np.pi * t)]
    expected += [begun * 1.0, begun * since]
    expected += [begun * (1 - np.exp(-since / (tau / 365.25))) for tau in (60, 120)]
    expected.append(np.log(1 + np.where(begun, since, 0) / (80 / 365.25)))
    onset = "20180601T1200"
    found = columns(
        polynomial=3,
        periodic=(1, 0.5),
        step=onset,
        polyline=onset,
        exponential=f"{onset} 60 120",
        logarithmic=f"{onset} 80",
    )
    np.testing.assert_allclose(found, np.stack(expected, 1), rtol=1e-12, atol=1e-13)


def test_a_date_at_the_time_of_a_step_is_before_it():
    np.testing.assert_array_equal(columns(step=DATES[10])[:, 2], np.arange(30) > 10)


def test_time_begins_at_the_first_date_that_is_used():
    found = columns(used=range(5, 30))
    assert len(found) == 25
    assert found[0, 1] == 0
    np.testing.assert_allclose(np.diff(columns()[5:, 1]), np.diff(found[:, 1]), atol=1e-12)


@pytest.mark.parametrize(
    ("used", "functions", "message"),
    [
        (range(1), {}, "found 1 dates for time functions of 2 parameters; at least as many are needed"),
        (range(3), {"periodic": 1}, "found 3 dates for time functions of 4 parameters"),
        (range(30), {"step": "20300101"}, "found step = 20300101, and no date after it among 20170101"),
        (range(30), {"step": "20160101"}, "found step = 20160101, and no date before it"),
        (range(30), {"polyline": "20161231T2300"}, "found polyline = 20161231T230000, and no date before it"),
        (range(9), {"exponential": "20180601 60"}, "found exponential = 20180601, and no date after it"),
        (range(29), {"logarithmic": DATES[28] + ",60"}, "and no date after it"),
        (range(30), {"step": ("20180601", "20180602")}, "two of the functions are the same at these dates"),
    ],
)
def test_what_the_dates_cannot_tell_is_refused(used, functions, message):
    with pytest.raises(InputError, match=message):
        columns(used, **functions)


def test_decay_that_began_before_the_first_date_is_taken():
    assert columns(exponential="20161201 200")[0, 2] > 0
