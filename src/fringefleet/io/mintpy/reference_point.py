"""Reference point under MintPy's names: row and column in the grid of a result, latitude and longitude."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.georeference import DEGREES, axis_unit
from fringefleet.io.grid import REFERENCE_PLACES, attributes_raster
from fringefleet.io.mintpy.grid import first_pixel, is_in_radar_geometry
from fringefleet.io.mintpy.metadata import number_attribute

ROW_AND_COLUMN = ("REF_Y", "REF_X")
_LATITUDE_AND_LONGITUDE = ("REF_LAT", "REF_LON")


def with_reference_point(
    result: xr.Dataset, attributes: dict[str, str], source: Mapping[str, str]
) -> dict[str, str]:
    """Set the reference point in this grid.

    Parameters
    ----------
    result
        Its attributes have the coordinates of the point.
    attributes
        The attributes that are made, with those of the point as the source has them.
    source
        Attributes of the source, whose rows and columns count from its own first pixel.
    """
    if not all(name in result.attrs for name in REFERENCE_PLACES):
        return attributes
    place = [float(result.attrs[name]) for name in REFERENCE_PLACES]
    found = row_and_column(result, place)
    there = ROW_AND_COLUMN if found is None else ()
    kept = {name: value for name, value in attributes.items() if name not in there}
    if found is not None:
        kept |= dict(zip(ROW_AND_COLUMN, map(str, found), strict=True))
    return _with_latitude_and_longitude(result, kept, place, _place_in_source(result, source, found))


def _with_latitude_and_longitude(
    result: xr.Dataset, attributes: dict[str, str], place: list[float], said: list[float] | None
) -> dict[str, str]:
    """Correct latitude and longitude of the reference point, if there are any; drop what is not known."""
    if not any(name in attributes for name in _LATITUDE_AND_LONGITUDE):
        return attributes
    is_moved = said is None or not all(map(partial(_is_same, result), ("y", "x"), said, place))
    if not is_moved:
        return attributes
    kept = {name: value for name, value in attributes.items() if name not in _LATITUDE_AND_LONGITUDE}
    is_geographic = axis_unit(result["y"].attrs.get("units")) == DEGREES
    return kept | (dict(zip(_LATITUDE_AND_LONGITUDE, map(str, place), strict=True)) if is_geographic else {})


def _place_in_source(
    result: xr.Dataset, source: Mapping[str, str], found: list[int] | None
) -> list[float] | None:
    """Find the coordinates of the reference point that the source names; None if they are not known.

    Without row and column it is outside of the source, and so is that of a part of it.
    """
    if any(name not in source for name in ROW_AND_COLUMN):
        return [float(result.attrs[name]) for name in REFERENCE_PLACES] if found is None else None
    try:
        row, column = (number_attribute(source, name) for name in ROW_AND_COLUMN)
        raster = attributes_raster(source, (0, 0))
    except StackFormatError:
        return None
    if raster is None or is_in_radar_geometry(result):
        first = first_pixel(result.attrs)
        return [first[0] + row, first[1] + column]
    (y, x), (height, width) = raster.corner, raster.step
    return [y + (row + 0.5) * height, x + (column + 0.5) * width]


def row_and_column(result: xr.Dataset, place: list[float]) -> list[int] | None:
    """Find the pixel whose coordinates are given; None if there is none."""
    found = [_position(result, dim, value) for dim, value in zip(("y", "x"), place, strict=True)]
    return None if None in found else [number for number in found if number is not None]


def _position(result: xr.Dataset, dim: str, value: float) -> int | None:
    """Find the row or column whose coordinate is ``value``; None if there is none."""
    values: NDArray[np.float64] = result[dim].values.astype(np.float64)
    nearest = int(np.abs(values - value).argmin())
    return nearest if _is_same(result, dim, float(values[nearest]), value) else None


def _is_same(result: xr.Dataset, dim: str, one: float, other: float) -> bool:
    """Return whether two coordinates are those of one pixel."""
    values: NDArray[np.float64] = result[dim].values.astype(np.float64)
    spacing = np.abs(np.diff(values)).min() if len(values) > 1 else max(abs(other), 1.0) * 1e-6
    return bool(abs(one - other) <= 0.01 * spacing)
