"""Acquisition dates as MintPy writes them: text in several formats, in; ``datetime64``, out."""

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError

_DATE = re.compile(
    r"(?P<year>\d{4}|\d{2})(?P<dash>-?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2})(?:(?P<colon>:?)(?P<minute>\d{2})(?:(?P=colon)(?P<second>\d{2}))?)?)?"
)
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
        A value is no date; the message names it.
    """
    texts = [_to_text(value) for value in values]
    formats = [date_format(text) for text in texts]
    times = [_parse(text, form) for text, form in zip(texts, formats, strict=True)]
    return np.array(times, dtype="datetime64[s]"), max(formats, key=len, default="%Y%m%d")


def _parse(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form)
    except ValueError as error:
        raise StackFormatError(
            f"found the date {text!r}, which no calendar has; a date has the form {_ACCEPTED}."
        ) from error


def _to_text(value: object) -> str:
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)
    return text.strip().strip("\0")
