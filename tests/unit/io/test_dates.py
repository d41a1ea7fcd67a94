import numpy as np
import pytest

from fringefleet.errors import StackFormatError
from fringefleet.io.dates import date_format, parse_dates

NOON = np.datetime64("2018-01-06T12:30:15")


@pytest.mark.parametrize(
    ("text", "resolution"),
    [
        ("20180106", "D"),
        ("180106", "D"),
        ("2018-01-06", "D"),
        ("2018-01-06T12", "h"),
        ("20180106T1230", "m"),
        ("180106T1230", "m"),
        ("2018-01-06T12:30", "m"),
        ("20180106T123015", "s"),
        ("180106T123015", "s"),
        ("2018-01-06T12:30:15", "s"),
    ],
)
@pytest.mark.parametrize("kind", [str, str.encode, np.bytes_])
def test_every_format_that_mintpy_accepts_is_read_and_written_back(text, resolution, kind):
    times, form = parse_dates([kind(text)])
    assert times[0] == NOON.astype(f"datetime64[{resolution}]")
    assert times.dtype == "datetime64[s]"
    assert times[0].item().strftime(form) == text


def test_two_digit_years_are_of_the_satellite_era():
    times, _ = parse_dates(["920601", "100601"])
    assert times.astype("datetime64[D]").astype(str).tolist() == ["1992-06-01", "2010-06-01"]


def test_the_most_detailed_of_several_formats_is_the_one_reported():
    assert parse_dates(["20180106", "20180118T1230"])[1] == "%Y%m%dT%H%M"


@pytest.mark.parametrize("text", ["", "2018", "2018-0106", "20180106T1", "06.01.2018", "201801061230"])
def test_a_text_that_is_no_date_is_named(text):
    with pytest.raises(StackFormatError, match=f"found the date '{text}'; a date has the form"):
        date_format(text)


@pytest.mark.parametrize("text", ["20181301", "20180230", "20180106T2500"])
def test_a_date_that_no_calendar_has_is_named(text):
    with pytest.raises(StackFormatError, match=f"'{text}', which no calendar has"):
        parse_dates([text])
