"""Kinds of results: series of an inversion, and maps of velocity that were fitted to them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.products.provenance import MADE_FROM

ResultKind = Literal["result", "displacement", "velocity"]

SERIES, SECOND = "displacement", "date2"  # a variable, and the second axis of covariances
_SERIES_DIMS = {"date", "y", "x"}


def kind_of(result: xr.Dataset) -> ResultKind:
    """Return the kind of a result: of an inversion, a displacement alone, or maps of velocity alone."""
    if SERIES not in result:
        return "velocity"
    return "result" if "status" in result else "displacement"


def result_name(result: xr.Dataset) -> str:
    """Name a result in a message: its path, if it has one."""
    return str(result.encoding.get("source") or "the result")


def made_from(result: xr.Dataset) -> dict[str, str]:
    """Give the attribute that names the store of a result as the source of others; none of a lazy one."""
    source = result.encoding.get("source")
    return {MADE_FROM: Path(source).name} if source else {}


def check_series(result: xr.Dataset, purpose: str) -> None:
    """Reject what has no series of displacements.

    Parameters
    ----------
    result
        As it was given.
    purpose
        Whatever needs the series, for the message.

    Raises
    ------
    StackFormatError
        States what it is.
    """
    if SERIES in result and set(result[SERIES].dims) == _SERIES_DIMS and "date" in result.coords:
        check_not_empty(result, [SERIES])
        check_dates(result)
        return
    if SERIES in result:
        found = f"a {SERIES} over {', '.join(map(str, result[SERIES].dims)) or 'nothing'}"
    elif "velocity" in result:
        found = "maps of velocity, as `fringefleet velocity` writes them"
    else:
        found = ", ".join(map(str, result.data_vars)) or "nothing"
    raise StackFormatError(
        f"found {found}, in {result_name(result)}; {purpose} needs the {SERIES} at dates, over date, y and "
        "x. Give the output of `fringefleet invert`."
    )


def check_dates(result: xr.Dataset) -> None:
    """Reject dates that do not ascend, and covariances whose two axes have other dates.

    A part of a result that was selected by date has them along ``date2``, too, only if that was selected.

    Raises
    ------
    StackFormatError
        States what to select.
    """
    if "date" not in result.dims:
        return
    dates = result["date"].values
    if "date" in result.coords and not (np.diff(dates) > np.zeros((), np.diff(dates).dtype)).all():
        raise StackFormatError(
            f"found dates that do not ascend, or one twice, in {result_name(result)}; sort them, and leave "
            "out what is there twice: result.sortby('date').drop_duplicates('date')."
        )
    if SECOND not in result.dims:
        return
    others = result[SECOND].values if SECOND in result.coords else dates
    if result.sizes[SECOND] != len(dates) or not np.array_equal(others, dates):
        raise StackFormatError(
            f"found {result.sizes[SECOND]} dates along {SECOND} that are not the {len(dates)} along date; a "
            "covariance is of every date with every date. Select the same dates along both."
        )


def check_not_empty(result: xr.Dataset, names: Iterable[str]) -> None:
    """Reject a result of which nothing is selected.

    Raises
    ------
    StackFormatError
        States its sizes.
    """
    if any(result.sizes[dim] == 0 for name in names for dim in result[name].dims):
        raise StackFormatError(f"the result is empty: {dict(result.sizes)}. Select at least one pixel.")
