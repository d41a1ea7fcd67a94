"""Another reference for a result: another date, or another pixel.

Another date: of every series its value at the new date is subtracted. That is exact where the dates of a
pixel hang together; where the new date has no estimate there is none at any date. With ``C`` the covariance
of the displacements since the old reference date ``r0``, that since the new one ``r`` is::

    C'[j, k] = C[j, k] - C[j, r] - C[r, k] + C[r, r],    std'[j]^2 = Var[j] + Var[r] - 2 C[j, r]

so that standard deviations are known only where the covariance was stored.

Another pixel: of every series that of the new pixel is subtracted, as MintPy's ``reference_point`` does. An
inversion with that pixel would subtract its phases from the pairs. The two agree where the pairs of the new
pixel close, or where both pixels have the same pairs and weights and the norm is l2; else they may differ by
as much as the pairs misclose. Standard deviations stay: they are without the noise at the reference point.
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from fringefleet.arguments.calls import checked_call
from fringefleet.arguments.shapes import Pixel
from fringefleet.errors import OptionError, ReferencePointError, StackFormatError
from fringefleet.execution.given_result import series_of
from fringefleet.execution.new_reference import OF_DATE, OF_POINT, NewReference
from fringefleet.io.dates import find_date
from fringefleet.io.mintpy.attributes import with_own_attributes
from fringefleet.io.places import pixel_at
from fringefleet.io.reference_phases import is_inside
from fringefleet.io.store.conventions import with_history
from fringefleet.io.store.result_kind import made_from
from fringefleet.io.store.stored_mask import MASK
from fringefleet.network.network import date_name, shorten
from fringefleet.option_words import Marked, as_it_is, option
from fringefleet.products.registry import PRODUCTS
from fringefleet.products.velocity import VELOCITY, is_map
from fringefleet.status import Status

logger = logging.getLogger(__name__)

STAYS = frozenset(
    {
        *("temporal_coherence", "residual_rms", "pair_count", "n_components", "status", "gap_filled"),
        *("closure_rms", "misclosed_count", "triplet_count", "dem_error_std"),
    }
)
_STD, _COVARIANCE = "displacement_std", "displacement_cov"
CHANGES = frozenset({"displacement", _STD, _COVARIANCE, "dem_error"})
_OF_ANOTHER_POINT = ("reference_window", "reference_choice")


@checked_call
def rereference(
    result: xr.Dataset | Path | str,
    *,
    point: Pixel | None = None,
    lalo: tuple[float, float] | None = None,
    date: str | dt.date | np.datetime64 | None = None,
) -> xr.Dataset:
    """Make a result relative to another pixel or another date, lazily where it is lazy.

    Parameters
    ----------
    result
        As from :func:`fringefleet.invert`, or as :func:`xarray.open_zarr` opens what :func:`fringefleet.run`
        wrote; or the path of such a store, which is opened lazily.
    point, lalo
        The new reference pixel: row and column, or latitude and longitude. Its series is read. The result has
        differences of two series; they equal an inversion with that point only where its pairs close, or
        where both pixels have the same pairs and weights and the norm is l2.
    date
        The new reference date.

    Returns
    -------
    xarray.Dataset
        ``displacement`` relative to the new reference, NaN where the new date, or the new pixel at a date,
        has no estimate; ``displacement_cov`` and ``displacement_std``, which a new date needs the former for,
        and without it are left out; ``dem_error`` relative to the new pixel; the other variables of an
        inversion.
        Tables of pairs, maps of velocity, masks and variables of other makers are left out.

    Raises
    ------
    InputError
        One of its children: there is no such date or pixel, or it has no estimate.

    Examples
    --------
    >>> from fringefleet import invert
    >>> from fringefleet.simulate import Scene, simulate_dataset
    >>> result = invert(simulate_dataset(Scene(n_date=5, shape=(8, 8)))[0])
    >>> moved = rereference(result, date="20180118")
    >>> float(abs(moved.displacement[1]).max()), moved.attrs["reference_date"]
    (0.0, '2018-01-18T00:00:00')
    >>> rereference("result.zarr", point=(3, 4)).attrs["reference_point"]
    [3, 4]
    """
    new = NewReference(point, lalo, None if date is None else str(date))
    kept, left_out = referable(series_of(result, "another reference"), new)
    shift = shift_for(kept, new)
    warn_of_left_out(left_out)
    return with_own_attributes(shift(kept))


def referable(result: xr.Dataset, new: NewReference) -> tuple[xr.Dataset, list[str]]:
    """Leave out what is not known relative to a new reference; return that, and the names.

    The attributes that say how it was made are left out, too.
    """
    others = [str(name) for name in result.data_vars if name not in STAYS | CHANGES]
    if new.date is not None and _STD in result and _COVARIANCE not in result:
        others.append(_STD)
    kept = result.drop_vars(others)
    stale = _attributes_of(others) - _attributes_of(map(str, kept.data_vars))
    kept.attrs = {name: value for name, value in result.attrs.items() if name not in stale}
    kept.attrs |= made_from(result)
    return kept, sorted(others)


def _attributes_of(names: Iterable[str]) -> set[str]:
    """Name the attributes that say how variables were made."""
    there = set(names)
    return {name for product in PRODUCTS if there & set(product.variables) for name in product.attributes}


def warn_of_left_out(names: Iterable[str]) -> None:
    """Warn of variables that the result will not have, and name what makes them again."""
    named = list(names)
    fitted = [name for name in named if is_map(name) or name in VELOCITY.variables]
    kinds = {
        f"{', '.join(fitted)} (repeat `fringefleet velocity`)": fitted,
        f"{MASK} (repeat `fringefleet mask`)": [name for name in named if name == MASK],
        f"{_STD} (dates are correlated, and only invert {as_it_is('--covariance')} stores how)": [
            name for name in named if name == _STD
        ],
    }
    known = {name for of_kind in kinds.values() for name in of_kind}
    said = [text for text, of_kind in kinds.items() if of_kind]
    if said := [*said, *(name for name in named if name not in known)]:
        logger.warning("left out, as they belong to the old reference: %s", Marked("; ".join(said)))


Shift = Callable[[xr.Dataset], xr.Dataset]


def shift_for(result: xr.Dataset, new: NewReference) -> Shift:
    """Find what to do with a result, or with a tile of it.

    Parameters
    ----------
    result
        The whole result; the series of one pixel is read of it.
    new
        The reference.

    Raises
    ------
    InputError
        One of its children: there is no such date or pixel, or it has no estimate.
    """
    if new.date is not None:
        return partial(to_date, index=_index_of(result, new.date))
    row, column = _pixel_of(result, new)
    at_point = result[[name for name in ("displacement", "dem_error") if name in result]]
    at_point = at_point.isel(y=row, x=column, drop=True).compute()
    if not np.isfinite(at_point["displacement"]).any():
        raise ReferencePointError(
            f"found no displacement at the new reference point (row {row}, column {column}); "
            "give another one."
        )
    place = float(result["y"].values[row]), float(result["x"].values[column])
    series = np.asarray(at_point["displacement"].values, np.float64)
    error = float(at_point["dem_error"]) if "dem_error" in at_point else 0.0
    return partial(to_point, point=NewPoint((row, column), place, tuple(series.tolist()), error))


def _index_of(result: xr.Dataset, wanted: str) -> int:
    times = result["date"].values.astype("datetime64[s]")
    try:
        found = find_date(wanted, times)
    except StackFormatError as error:
        raise OptionError(f"{option('date')}: {error.marked}") from error
    if len(found) != 1:
        names = shorten([date_name(date) for date in times.astype(str).tolist()])
        what = "may be several" if found else "is none"
        raise OptionError(
            f"found {option('date', wanted)}, which {what} of the dates: {names}. Give one of them."
        )
    return found[0]


def _pixel_of(result: xr.Dataset, new: NewReference) -> Pixel:
    if new.lalo is not None:
        return pixel_at(result, *new.lalo, "lalo")
    row, column = new.point or (0, 0)
    if not is_inside(result, (row, column)):
        raise ReferencePointError(
            f"found {option('point', f'({row}, {column})')}, outside of the {result.sizes['y']} rows and "
            f"{result.sizes['x']} "
            "columns of the result, counted from 0; give another one."
        )
    return int(row), int(column)


def to_date(result: xr.Dataset, index: int) -> xr.Dataset:
    """Make a result, or a tile of it, relative to a date."""
    series = result["displacement"].astype(np.float64)
    changed: dict[str, Any] = {"displacement": series - series.isel(date=index, drop=True)}
    if "displacement_cov" in result:
        changed["displacement_cov"] = covariance = _moved(result["displacement_cov"], index)
        if "displacement_std" in result:
            changed["displacement_std"] = _std_of(covariance).where(changed["displacement"].notnull())
    date = str(result["date"].values[index].astype("datetime64[s]"))
    moved = _with(result, changed)
    return moved.assign_attrs(_noted(result, f"date {date_name(date)}", OF_DATE), reference_date=date)


def _noted(result: xr.Dataset, what: str, meaning: str) -> dict[str, str]:
    """Add a new reference to those that attributes name already: a line for each, the last one last."""
    earlier = [str(result.attrs["rereferenced"])] if "rereferenced" in result.attrs else []
    return {
        "rereferenced": "\n".join([*earlier, f"{what}: {meaning}"]),
        "history": with_history(result.attrs, f"rereference: {what}"),
    }


def _moved(covariance: xr.DataArray, index: int) -> xr.DataArray:
    """Give the covariances since a date; those of the date itself are exactly zero."""
    stored = covariance.astype(np.float64)
    with_date = stored.isel(date2=index, drop=True)
    of_date = with_date.isel(date=index, drop=True)
    return (stored - stored.isel(date=index, drop=True)) - (with_date - of_date)


def _std_of(covariance: xr.DataArray) -> xr.DataArray:
    n_date = covariance.sizes["date"]
    same = xr.DataArray(np.arange(n_date), dims="date")
    variances = covariance.isel(date=same, date2=same).clip(min=0)
    return variances**0.5


@dataclass(frozen=True)
class NewPoint:
    """A new reference point: row and column, y and x, displacement of every date and DEM error there [m]."""

    pixel: Pixel
    place: tuple[float, float]
    series: tuple[float, ...]
    dem_error: float


def to_point(result: xr.Dataset, point: NewPoint) -> xr.Dataset:
    """Make a result, or a tile of it, relative to a pixel."""
    series = xr.DataArray(np.array(point.series), dims="date")
    changed: dict[str, Any] = {"displacement": result["displacement"].astype(np.float64) - series}
    if "dem_error" in result:
        changed["dem_error"] = result["dem_error"].astype(np.float64) - point.dem_error
    if "status" in result:
        is_new = (result["y"] == point.place[0]) & (result["x"] == point.place[1])
        is_other = result["status"] != int(Status.REFERENCE_POINT)
        without_old = result["status"].where(is_other, int(Status.OK))
        changed["status"] = without_old.where(~is_new, int(Status.REFERENCE_POINT))
        # By definition without spread at the reference point; what it was at the old one is not known.
        for name in ("displacement_std", "displacement_cov", "dem_error_std"):
            if name in result:
                changed[name] = result[name].where(is_other).where(~is_new, 0)
        for name in ("temporal_coherence", "residual_rms", "closure_rms"):
            if name in result:
                changed[name] = result[name].where(is_other)
    attrs = {name: value for name, value in result.attrs.items() if name not in _OF_ANOTHER_POINT}
    moved = _with(result, changed)
    moved.attrs = attrs | {
        "reference_point": list(point.pixel),
        "reference_point_y": point.place[0],
        "reference_point_x": point.place[1],
        **_noted(result, _named(point), OF_POINT),
    }
    return moved


def _named(point: NewPoint) -> str:
    (row, column), (y, x) = point.pixel, point.place
    return f"row {row}, column {column} (y {y:.6g}, x {x:.6g})"


def _with(result: xr.Dataset, changed: dict[str, xr.DataArray]) -> xr.Dataset:
    """Put changed variables in the place of the old ones: dimensions, types and attributes stay."""
    return result.assign({name: _like(result[name], values) for name, values in changed.items()})


def _like(old: xr.DataArray, values: xr.DataArray) -> xr.DataArray:
    new = values.transpose(*old.dims).astype(old.dtype).reset_coords(drop=True)
    new.attrs = old.attrs
    return new
