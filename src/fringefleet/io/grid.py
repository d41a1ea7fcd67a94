"""Where the pixels are: y and x coordinates and the CRS, from MintPy's attributes.

``X_FIRST`` and ``Y_FIRST`` are the outer corner of the first pixel, ``X_STEP`` and ``Y_STEP`` the
signed pixel size; our coordinates are pixel centres, ``X_FIRST + (column + 1/2) X_STEP``. A stack
without them is in radar geometry, where the coordinates are the row and column numbers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from fringefleet.errors import StackFormatError
from fringefleet.io.metadata import number_attribute, stated_point

GRID_MAPPING = "spatial_ref"
_CORNERS = ("Y_FIRST", "Y_STEP", "X_FIRST", "X_STEP")


def grid_coordinates(attrs: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, xr.Variable]:
    """Make the coordinates ``y``, ``x`` and, where the CRS is known, ``spatial_ref``.

    Parameters
    ----------
    attrs
        MintPy's attributes: the four corner attributes, and ``EPSG``, ``UTM_ZONE`` or ``Y_UNIT``.
    shape
        Rows and columns.

    Raises
    ------
    StackFormatError
        A corner attribute is no number, a step is zero, or the CRS is unknown to PROJ.
    """
    if not all(name in attrs for name in _CORNERS):
        return radar_coordinates(shape)
    (y_first, y_step), (x_first, x_step) = (_first_and_step(attrs, axis) for axis in "YX")
    return regular_coordinates((y_first, x_first), (y_step, x_step), shape, grid_crs(attrs))


def radar_coordinates(shape: tuple[int, int]) -> dict[str, xr.Variable]:
    """Number rows and columns, for a grid that is not georeferenced."""
    return {
        axis: xr.Variable(axis, np.arange(size), {"units": "1", "long_name": f"radar {name}"})
        for axis, name, size in (("y", "row", shape[0]), ("x", "column", shape[1]))
    }


def regular_coordinates(
    corner: tuple[float, float], step: tuple[float, float], shape: tuple[int, int], crs: CRS | None
) -> dict[str, xr.Variable]:
    """Make the centres of pixels, and ``spatial_ref`` where the CRS is known.

    Parameters
    ----------
    corner
        ``y, x`` of the outer corner of the first pixel, in the unit of the CRS.
    step
        Signed size of a pixel along ``y, x``.
    shape
        Rows and columns.
    """
    coordinates = {
        axis: xr.Variable(axis, first + (np.arange(size) + 0.5) * width, axis_attributes(crs, axis))
        for axis, first, width, size in zip("yx", corner, step, shape, strict=True)
    }
    if crs is not None:
        coordinates[GRID_MAPPING] = xr.Variable((), 0, crs.to_cf())
    return coordinates


def grid_crs(attrs: Mapping[str, Any]) -> CRS | None:
    """Find the CRS that MintPy's attributes name; None where they name none.

    ``EPSG`` comes first, then ``UTM_ZONE`` (``13N``), then degrees in ``Y_UNIT``: EPSG:4326.

    Raises
    ------
    StackFormatError
        ``EPSG`` or ``UTM_ZONE`` is there and cannot be understood.

    Examples
    --------
    >>> grid_crs({"UTM_ZONE": "11S"}).to_epsg(), grid_crs({"Y_UNIT": "degrees"}).to_epsg()
    (32711, 4326)
    """
    if attrs.get("EPSG"):
        return _crs("EPSG", attrs["EPSG"], str(attrs["EPSG"]).upper().removeprefix("EPSG:"))
    if attrs.get("UTM_ZONE"):
        zone = str(attrs["UTM_ZONE"]).strip().upper()
        hemisphere = "327" if zone.endswith("S") else "326"
        return _crs("UTM_ZONE", zone, hemisphere + zone.rstrip("NS").zfill(2))
    if str(attrs.get("Y_UNIT", "")).lower().startswith("degree"):
        return CRS.from_epsg(4326)
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
        raise StackFormatError(f"found the attribute {axis}_STEP = 0; a pixel needs a size.")
    return first, step


def axis_attributes(crs: CRS | None, axis: str) -> dict[str, str]:
    """CF attributes of the coordinate ``y`` or ``x``; metres where the CRS is not known."""
    if crs is not None and crs.is_geographic:
        name, unit = {"y": ("latitude", "degrees_north"), "x": ("longitude", "degrees_east")}[axis]
    else:
        name, unit = f"projection_{axis}_coordinate", "m"
    return {"standard_name": name, "long_name": name.replace("_", " "), "units": unit}


def with_reference_coordinates(attrs: Mapping[str, Any], coords: Mapping[Any, Any]) -> dict[str, Any]:
    """Add the coordinates of the reference point, by which a sliced stack still finds it."""
    try:
        row, column = stated_point(attrs) if "reference_point" in attrs else (-1, -1)
    except StackFormatError:  # which matters only to an inversion that has no other
        return dict(attrs)
    if not (0 <= row < coords["y"].size and 0 <= column < coords["x"].size):
        return dict(attrs)
    return dict(attrs) | {
        "reference_point_y": coords["y"].values[row].item(),
        "reference_point_x": coords["x"].values[column].item(),
    }
