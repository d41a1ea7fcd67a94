"""Acquisition dates in MintPy's spellings: text in several formats to ``datetime64``.

A date may be written with or without its time. Within one stack two precisions of the same date are one date,
the more precise one, if that is unambiguous; otherwise they are rejected.
"""

import logging
import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.network.network import date_name, shorten

logger = logging.getLogger(__name__)

_DATE = re.compile(
    r"(?P<year>\d{4}|\d{2})(?P<dash>-?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2})(?:(?P<colon>:?)(?P<minute>\d{2})(?:(?P=colon)(?P<second>\d{2}))?)?)?"
)
DAY, SECOND = 86400, 1  # [s], precisions
_PRECISIONS = {"%S": SECOND, "%M": 60, "%H": 3600}  # [s]
_TIME_PARTS = (("%H", "hour"), ("%M", "minute"), ("%S", "second"))
_ACCEPTED = "YYYYMMDD, YYMMDD or YYYY-MM-DD, with THH, THHMM or THHMMSS where a time is known"


def date_format(date: str) -> str:
    """Find the ``strftime`` format that an acquisition date is written in.

    Parameters
    ----------
    date
        ``YYYYMMDD``, ``YYMMDD`` or ``YYYY-MM-DD``, each alone or with ``THH``, ``THHMM`` or
        ``THHMMSS`` (or the same with colons).

    Raises
    ------
    StackFormatError
        The text is in none of these formats.

    Examples
    --------
    >>> date_format("20180106"), date_format("180106T0012"), date_format("2018-01-06T00:12:25")
    ('%Y%m%d', '%y%m%dT%H%M', '%Y-%m-%dT%H:%M:%S')
    """
    match = _DATE.fullmatch(date)
    if match is None:
        raise StackFormatError(f"found the date {date!r}; a date has the form {_ACCEPTED}.")
    dash, colon = match["dash"], match["colon"] or ""
    year = "%Y" if len(match["year"]) == 4 else "%y"
    time = [part for part, name in _TIME_PARTS if match[name]]
    return dash.join([year, "%m", "%d"]) + ("T" + colon.join(time) if time else "")


def parse_dates(values: Iterable[object]) -> tuple[NDArray[np.datetime64], str]:
    """Convert acquisition dates, each in its own format, to times at a resolution of seconds.

    Parameters
    ----------
    values
        Text or bytes, see :func:`date_format`. A year of two digits is 1969 to 2068.

    Returns
    -------
    times
        In the given order, ``datetime64[s]``.
    format
        The ``strftime`` format of the most detailed date.

    Raises
    ------
    StackFormatError
        A value is not a date; the message names it.
    """
    times, precisions, form = read_dates(values)
    return unite_precisions(times, precisions), form


def read_dates(values: Iterable[object]) -> tuple[NDArray[np.datetime64], NDArray[np.int64], str]:
    """Convert acquisition dates as :func:`parse_dates` does, each with its precision.

    Returns
    -------
    times, precisions
        ``datetime64[s]``, and the duration of a date of that precision [s].
    format
        The ``strftime`` format of the most detailed date.

    Raises
    ------
    StackFormatError
        A value is not a date; the message names it.
    """
    texts = [_to_text(value) for value in values]
    formats = [date_format(text) for text in texts]
    times = [_parse(text, form) for text, form in zip(texts, formats, strict=True)]
    precisions = np.array([_precision(form) for form in formats], dtype=np.int64)
    return np.array(times, dtype="datetime64[s]"), precisions, max(formats, key=len, default="%Y%m%d")


def unite_precisions(times: NDArray[np.datetime64], precisions: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Replace dates that are written in two precisions by the more precise one.

    Parameters
    ----------
    times
        Any shape, ``datetime64[s]``.
    precisions
        Duration of each [s]; the same shape.

    Raises
    ------
    StackFormatError
        A date matches several more precise ones.

    Examples
    --------
    >>> unite_precisions(*read_dates(["20180106", "20180106T0012", "20180118"])[:2]).astype(str).tolist()
    ['2018-01-06T00:12:00', '2018-01-06T00:12:00', '2018-01-18T00:00:00']
    """
    united = times.copy()
    known = np.zeros(0, "datetime64[s]")
    merged: list[str] = []
    for precision in np.unique(precisions):
        here = precisions == precision
        for time in np.unique(times[here]):
            finer = known[(time <= known) & (known < time + np.timedelta64(precision, "s"))]
            if len(finer) > 1:
                raise StackFormatError(
                    f"found the date {date_name(str(time))} in two precisions, and it may be any of "
                    f"{shorten([date_name(date) for date in finer.astype(str)])}; write it with its time."
                )
            if len(finer) == 1 and finer[0] != time:
                united[here & (times == time)] = finer[0]
                merged.append(f"{date_name(str(time))} and {date_name(str(finer[0]))}")
        known = np.unique(np.concatenate([known, united[here]]))
    if merged:
        logger.warning("taken as one date, though written in two precisions: %s", shorten(merged))
    return united


def find_date(wanted: str, times: NDArray[np.datetime64]) -> list[int]:
    """Find the dates that match a text, to the precision of the text.

    Parameters
    ----------
    wanted
        In any of the formats of :func:`date_format`.
    times
        Dates to search.

    Returns
    -------
    list of int
        Indices; exactly one if the text is unambiguous.

    Raises
    ------
    StackFormatError
        The text is not a date.

    Examples
    --------
    >>> times = np.array(["2018-01-06T00:12:25", "2018-01-18T00:12:25"], "datetime64[s]")
    >>> find_date("2018-01-18", times), find_date("20180106T0012", times), find_date("20180106T01", times)
    ([1], [0], [])
    """
    (time,), (precision,), _ = read_dates([wanted.strip().replace(" ", "T")])
    end = time + np.timedelta64(precision, "s")
    found: list[int] = np.flatnonzero((time <= times) & (times < end)).tolist()
    return found


def dates_meant(wanted: str, times: NDArray[np.datetime64]) -> list[int]:
    """Find dates as :func:`find_date` does; none for a text that is not a date."""
    try:
        return find_date(wanted, times)
    except StackFormatError:
        return []


def _precision(form: str) -> int:
    return next((seconds for part, seconds in _PRECISIONS.items() if part in form), DAY)


def _parse(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form)
    except ValueError as error:
        raise StackFormatError(
            f"found the date {text!r}, which does not exist; a date has the form {_ACCEPTED}."
        ) from error


def _to_text(value: object) -> str:
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)
    return text.strip().strip("\0")
