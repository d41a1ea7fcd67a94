"""Positions of the pixels: y and x coordinates and the CRS, from MintPy's attributes or from coordinates.

``X_FIRST`` and ``Y_FIRST`` are the outer corner of the first pixel, ``X_STEP`` and ``Y_STEP`` the
signed pixel size; our coordinates are pixel centres, ``X_FIRST + (column + 1/2) X_STEP``. A stack
without them is in radar geometry, where the coordinates are the row and column numbers.
"""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import StackFormatError
from fringefleet.io.georeference import (
    NUMBERS,
    Georeference,
    Raster,
    axis_attributes,
    axis_unit,
    georeference,
)
from fringefleet.io.mintpy.metadata import number_attribute, stated_point

logger = logging.getLogger(__name__)

_SAME_STEP = 0.01  # of the step, by which one may differ from the mean
_SAME_PIXEL = 1e-3  # [pixel] tolerance of coordinates of the same pixel

GRID_MAPPING = "spatial_ref"
REFERENCE_PLACES = ("reference_point_y", "reference_point_x")
_CORNERS = ("Y_FIRST", "Y_STEP", "X_FIRST", "X_STEP")
_NO_CODE = ("", "none", "nan", "null")  # written by MintPy for a raster without a CRS


def grid_coordinates(attrs: Mapping[str, Any], shape: Shape) -> dict[str, xr.Variable]:
    """Make the coordinates ``y``, ``x`` and, where the CRS is known, ``spatial_ref``.

    Parameters
    ----------
    attrs
        MintPy's attributes: the four corner attributes, and ``EPSG``, ``UTM_ZONE``, ``Y_UNIT``, ``X_UNIT``.
    shape
        Rows and columns.

    Raises
    ------
    StackFormatError
        A corner attribute is not a number, a step is zero, or the CRS is unknown to PROJ.
    """
    raster = attributes_raster(attrs, shape)
    if raster is None:
        return radar_coordinates(shape)
    return regular_coordinates(raster, attributes_place(attrs, raster))


def attributes_raster(attrs: Mapping[str, Any], shape: Shape) -> Raster | None:
    """Read the corner and the steps of a geocoded grid; None in radar geometry.

    Raises
    ------
    StackFormatError
        A corner attribute is not a number, or a step is zero.
    """
    if not all(name in attrs for name in _CORNERS):
        return None
    (y_first, y_step), (x_first, x_step) = (_first_and_step(attrs, axis) for axis in "YX")
    return Raster((y_first, x_first), (y_step, x_step), shape)


def attributes_place(attrs: Mapping[str, Any], raster: Raster) -> Georeference:
    """Determine the unit and the CRS of a grid from MintPy's attributes, where no unit means degrees.

    Raises
    ------
    StackFormatError
        ``EPSG`` or ``UTM_ZONE`` is present but invalid.
    """
    said = (attrs.get("Y_UNIT"), attrs.get("X_UNIT"))
    return georeference(raster, said, _named_crs(attrs), unsaid="degrees")


def radar_coordinates(shape: Shape) -> dict[str, xr.Variable]:
    """Number rows and columns, for a grid that is not georeferenced."""
    return {
        axis: xr.Variable(axis, np.arange(size), {"units": "1", "long_name": f"radar {name}"})
        for axis, name, size in (("y", "row", shape[0]), ("x", "column", shape[1]))
    }


def regular_coordinates(raster: Raster, place: Georeference) -> dict[str, xr.Variable]:
    """Make the centres of pixels, and ``spatial_ref`` where the CRS is known; warn of contradictions."""
    if place.doubt:
        logger.warning(*doubt_warning(place))
    coordinates = {
        axis: xr.Variable(axis, first + (np.arange(size) + 0.5) * width, axis_attributes(place, axis))
        for axis, first, width, size in zip("yx", raster.corner, raster.step, raster.shape, strict=True)
    }
    if place.crs is not None:
        coordinates[GRID_MAPPING] = xr.Variable((), 0, place.crs.to_cf())
    return coordinates


def doubt_warning(place: Georeference) -> tuple[str, str]:
    """Return the warning of contradictory coordinates in a source."""
    return (
        "the coordinates of the pixels are contradictory: %s. Their unit and CRS are treated as unknown; "
        "correct the source if you need them",
        place.doubt,
    )


def is_numbered(dataset: xr.Dataset | xr.DataArray, dim: str) -> bool:
    """Return whether a dimension has row or column numbers instead of positions."""
    if dim not in dataset.coords:
        return True
    unit = axis_unit(dataset[dim].attrs.get("units"))
    unplaced = unit is None and GRID_MAPPING not in dataset.coords
    return unit == NUMBERS or (unplaced and dataset[dim].dtype.kind in "iu")


def map_crs(dataset: xr.Dataset | xr.DataArray) -> CRS | None:
    """Return the CRS of the coordinates; None in radar geometry, or where it is not known."""
    if GRID_MAPPING not in dataset.coords or any(is_numbered(dataset, axis) for axis in ("y", "x")):
        return None
    attrs = dataset[GRID_MAPPING].attrs
    return CRS.from_cf(attrs) if attrs else None


def _named_crs(attrs: Mapping[str, Any]) -> CRS | None:
    """Return the CRS given by ``EPSG`` or else ``UTM_ZONE`` (``13N``); None where neither is."""
    epsg, zone = (str(attrs.get(name, "")).strip().upper() for name in ("EPSG", "UTM_ZONE"))
    if epsg.lower() not in _NO_CODE:
        return _crs("EPSG", attrs["EPSG"], epsg.removeprefix("EPSG:"))
    if zone.lower() not in _NO_CODE:
        hemisphere = "327" if zone.endswith("S") else "326"
        return _crs("UTM_ZONE", zone, hemisphere + zone.rstrip("NS ").zfill(2))
    return None


def _crs(name: str, value: object, code: str) -> CRS:
    try:
        return CRS.from_epsg(int(float(code)))
    except (ValueError, OverflowError, CRSError) as error:
        raise StackFormatError(
            f"found the attribute {name} = {value!r}, which PROJ does not know; "
            "give an EPSG code such as 32613, or a UTM zone such as 13N."
        ) from error


def _first_and_step(attrs: Mapping[str, Any], axis: str) -> tuple[float, float]:
    first, step = (number_attribute(attrs, f"{axis}_{part}") for part in ("FIRST", "STEP"))
    if step == 0:
        raise StackFormatError(f"found the attribute {axis}_STEP = 0; a pixel needs a nonzero size.")
    return first, step


def with_reference_coordinates(attrs: Mapping[str, Any], coords: Mapping[Any, Any]) -> dict[str, Any]:
    """Add the coordinates of the reference point, by which a subset of the stack still finds it.

    Where they exist already, row and column follow them: in a stored subset those are of the whole stack.
    """
    try:
        stated = stated_point(attrs) if "reference_point" in attrs else None
    except StackFormatError:  # relevant only to an inversion without another point
        return {name: value for name, value in attrs.items() if name not in REFERENCE_PLACES}
    if all(name in attrs for name in REFERENCE_PLACES):
        return _with_row_and_column(attrs, coords, stated)
    row, column = stated or (-1, -1)
    if not (0 <= row < coords["y"].size and 0 <= column < coords["x"].size):
        return dict(attrs)
    places = coords["y"].values[row].item(), coords["x"].values[column].item()
    return dict(attrs) | dict(zip(REFERENCE_PLACES, places, strict=True))


def _with_row_and_column(
    attrs: Mapping[str, Any], coords: Mapping[Any, Any], stated: list[int] | None
) -> dict[str, Any]:
    try:
        places = [number_attribute(attrs, name) for name in REFERENCE_PLACES]
    except StackFormatError:
        return dict(attrs)
    found = [index_at(coords[axis].values, place) for axis, place in zip("yx", places, strict=True)]
    if None in found or found == stated:
        return dict(attrs)
    if stated is not None:
        logger.warning(
            "the reference point at y = %s, x = %s is row %s, column %s here; its row %s and column %s are "
            "those of another grid",
            *places,
            *found,
            *stated,
        )
    return dict(attrs) | {"reference_point": found}


def regular_step(values: NDArray[np.float64], dim: str, needed_by: str) -> float:
    """Measure the signed step of two or more coordinates.

    Parameters
    ----------
    values
        The coordinates.
    dim
        Their dimension, for the message.
    needed_by
        Whatever needs equal steps, for the message.

    Raises
    ------
    StackFormatError
        The steps are not equal.
    """
    step = float(values[-1] - values[0]) / (len(values) - 1)
    steps = np.diff(values)
    if np.abs(steps - step).max() > _SAME_STEP * abs(step):
        raise StackFormatError(
            f"the coordinate {dim} is not regular: its steps go from {steps.min()} to {steps.max()}; "
            f"{needed_by} needs equal steps. Select a range of pixels."
        )
    return step


def index_at(values: NDArray[Any], wanted: float) -> int | None:
    """Find the pixel whose centre is at a coordinate; None if there is none."""
    if not values.size:
        return None
    nearest = int(np.abs(values - wanted).argmin())
    spacing = abs(values[1] - values[0]) if len(values) > 1 else abs(wanted) * 1e-6
    return nearest if abs(values[nearest] - wanted) <= _SAME_PIXEL * spacing else None
