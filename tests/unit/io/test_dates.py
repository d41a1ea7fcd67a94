import numpy as np
import pytest

from fringefleet.errors import StackFormatError
from fringefleet.io.dates import date_format, find_date, parse_dates

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
    with pytest.raises(StackFormatError, match=f"'{text}', which does not exist"):
        parse_dates([text])


TIMES = np.array(
    ["2020-01-01T01:02:03", "2020-01-13T01:02:03", "2020-01-13T13:02:05", "2020-01-25"], "datetime64[s]"
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("20200101", [0]),
        ("200101", [0]),
        ("2020-01-01", [0]),
        ("20200101T01", [0]),
        ("20200101T0102", [0]),
        ("20200101T010203", [0]),
        ("2020-01-01T01:02", [0]),
        ("2020-01-01T01:02:03", [0]),
        ("2020-01-01 01:02:03", [0]),
        (" 20200101 ", [0]),
        ("20200101T010204", []),
        ("20200101T02", []),
        ("20200113", [1, 2]),
        ("20200113T13", [2]),
        ("20200113T130205", [2]),
        ("20200125", [3]),
        ("20200125T000000", [3]),
        ("20200126", []),
    ],
)
def test_a_date_is_found_at_the_precision_that_it_is_given_in(wanted, found):
    assert find_date(wanted, TIMES) == found


@pytest.mark.parametrize(
    ("texts", "united"),
    [
        (["20200101", "20200101T010203"], ["2020-01-01T01:02:03"] * 2),
        (["20200101T010203", "2020-01-01"], ["2020-01-01T01:02:03"] * 2),
        (["200101", "20200101T01", "20200101T0102", "20200101T010203"], ["2020-01-01T01:02:03"] * 4),
        (["20200101", "20200101T000000"], ["2020-01-01T00:00:00"] * 2),
        (["20200101", "20200102T0102"], ["2020-01-01T00:00:00", "2020-01-02T01:02:00"]),
        (["20200101T01", "20200101T0201"], ["2020-01-01T01:00:00", "2020-01-01T02:01:00"]),
    ],
)
def test_two_precisions_of_a_date_are_one_date(texts, united, caplog):
    assert parse_dates(texts)[0].astype(str).tolist() == united
    merged = len(set(united)) < len(set(texts)) and "T000000" not in texts[-1]
    assert ("taken as one date" in caplog.text) == merged


@pytest.mark.parametrize(
    "texts", [["20200101", "20200101T01", "20200101T0203"], ["20200101T0102", "20200101", "20200101T1302"]]
)
def test_a_date_that_may_be_any_of_several_is_refused(texts):
    with pytest.raises(StackFormatError, match=r"found the date 20200101 in two precisions, .*any of 2020"):
        parse_dates(texts)
