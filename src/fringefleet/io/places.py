"""Pixels of a scene by longitude and latitude."""

from typing import TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from fringefleet.arguments.shapes import Pixel
from fringefleet.errors import OptionError, ReferencePointError, StackFormatError
from fringefleet.io.grid import map_crs
from fringefleet.option_words import option

PixelWindow: TypeAlias = tuple[slice, slice]  # rows and columns
Bbox: TypeAlias = tuple[float, float, float, float]  # west, south, east and north [degree]

_WGS84 = CRS.from_epsg(4326)
_SLACK = 1e-6  # [pixel] that a centre may be outside of an edge it lies on
_N_PLACE, _MOST_TURN = 33, 0.2  # along an edge; of north, as a tangent
_TURNS = (0.0, 360.0, -360.0)  # [degree] by which longitudes of the same place differ


def pixel_at(dataset: xr.Dataset, latitude: float, longitude: float, name: str) -> Pixel:
    """Find the pixel that a place lies in.

    Parameters
    ----------
    dataset
        A stack or a result, with the coordinate ``spatial_ref``.
    latitude, longitude
        On WGS 84 [degree].
    name
        Option that gives the place, for a message.

    Raises
    ------
    StackFormatError
        The scene is in radar geometry, or its CRS is not known.
    ReferencePointError
        The place is outside of the scene.
    """
    crs = _crs(dataset, name)
    for turn in _TURNS:
        x, y = Transformer.from_crs(_WGS84, crs, always_xy=True).transform(longitude + turn, latitude)
        row, column = (_index_of(dataset[dim].values, at) for dim, at in (("y", y), ("x", x)))
        if row is not None and column is not None:
            return row, column
        if not crs.is_geographic:
            break
    raise ReferencePointError(
        f"found {option(name, f'({latitude:g}, {longitude:g})')}, outside of the scene: "
        f"{_extent(dataset)}. Give latitude and longitude of a place in it, in this order."
    )


def window_of_bbox(dataset: xr.Dataset, bbox: Bbox) -> PixelWindow:
    """Find the rows and columns whose centres lie in a box; in a projected CRS, in what encloses the box.

    Parameters
    ----------
    dataset
        A stack or a result, with the coordinate ``spatial_ref``.
    bbox
        West, south, east and north on WGS 84 [degree].

    Raises
    ------
    StackFormatError
        The scene is in radar geometry, or its CRS is not known.
    OptionError
        No pixel lies in the box.
    """
    crs = _crs(dataset, "bbox")
    west, south, east, north = bbox
    for turn in _TURNS if crs.is_geographic else _TURNS[:1]:
        transformer = Transformer.from_crs(_WGS84, crs, always_xy=True)
        box = (west + turn, south, east + turn, north)
        left, bottom, right, top = box if crs == _WGS84 else transformer.transform_bounds(*box)
        rows = _range_of(dataset["y"].values, bottom, top)
        columns = _range_of(dataset["x"].values, left, right)
        if rows is not None and columns is not None:
            return rows, columns
    raise OptionError(
        f"found {option('bbox', bbox)} with no pixel of the scene inside: {_extent(dataset)}. Give west, "
        "south, east and north, in this order, in degrees."
    )


def _crs(dataset: xr.Dataset, name: str) -> CRS:
    if (crs := map_crs(dataset)) is not None:
        return crs
    instead = "rows and columns" if name == "bbox" else "row and column of a pixel"
    raise StackFormatError(
        f"found {option(name)} for a scene in radar geometry, or without a CRS, whose pixels have no "
        f"longitude and latitude; give {instead} instead."
    )


def _index_of(centres: NDArray[np.float64], at: float) -> int | None:
    """Find the pixel that a coordinate lies in; None outside of all."""
    nearest = int(np.abs(centres - at).argmin())
    width = abs(float(centres[1] - centres[0])) if len(centres) > 1 else np.inf
    return nearest if abs(float(centres[nearest]) - at) <= width / 2 * (1 + 1e-9) else None


def _range_of(centres: NDArray[np.float64], low: float, high: float) -> slice | None:
    slack = _SLACK * abs(float(centres[1] - centres[0])) if len(centres) > 1 else 0.0
    inside = np.flatnonzero((low - slack <= centres) & (centres <= high + slack))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


def _extent(dataset: xr.Dataset) -> str:
    """Describe the extent of the scene, in degrees."""
    crs = _crs(dataset, "bbox")
    (west, east), (south, north) = (
        (float(dataset[dim].values.min()), float(dataset[dim].values.max())) for dim in ("x", "y")
    )
    if crs != _WGS84:
        transformer = Transformer.from_crs(crs, _WGS84, always_xy=True)
        west, south, east, north = transformer.transform_bounds(west, south, east, north)
    return f"it goes from {west:.5g} to {east:.5g} in longitude, {south:.5g} to {north:.5g} in latitude"


def degrees_of(dataset: xr.Dataset, y: float, x: float) -> tuple[float, float] | None:
    """Give latitude and longitude of a place in the coordinates of a scene [degree].

    Returns
    -------
    tuple or None
        On WGS 84; None in radar geometry, or where the CRS is not known.
    """
    crs = map_crs(dataset)
    if crs is None:
        return None
    longitude, latitude = Transformer.from_crs(crs, _WGS84, always_xy=True).transform(x, y)
    return float(latitude), (float(longitude) + 180) % 360 - 180


def degrees_along(
    dataset: xr.Dataset | xr.DataArray, dim: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Give longitude along the last row of a scene, or latitude along its first column.

    Parameters
    ----------
    dataset
        A scene, with the coordinate ``spatial_ref``.
    dim
        ``x`` for the longitude, ``y`` for the latitude.

    Returns
    -------
    tuple or None
        Places from edge to edge in the coordinate, and their degrees; None where north is not up, so that
        these degrees say little of the rest of the scene.
    """
    crs = map_crs(dataset)
    if crs is None:
        return None
    transformer = Transformer.from_crs(crs, _WGS84, always_xy=True)
    ends = {axis: dataset[axis].values[[0, -1]].tolist() for axis in ("y", "x")}
    along = np.linspace(ends[dim][0], ends[dim][1], _N_PLACE)
    x, y = (
        (along, np.full(_N_PLACE, ends["y"][1])) if dim == "x" else (np.full(_N_PLACE, ends["x"][0]), along)
    )
    found = np.unwrap(np.array(transformer.transform(x, y)), period=360.0, axis=1)
    moved, across = np.abs(np.ptp(found, axis=1))[:: 1 if dim == "x" else -1]
    return None if across > _MOST_TURN * moved else (along, found[0 if dim == "x" else 1])
