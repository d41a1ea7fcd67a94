"""Position of the pixels of a named store: its coordinates ``y`` and ``x``, and its CF grid mapping.

Units in any spelling become those of CF. Kilometres become metres, unless the CRS is in kilometres. Missing
information is not made up, and contradictory information is treated as unknown
(:mod:`fringefleet.io.georeference`).
"""

import logging
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from fringefleet.errors import StackFormatError
from fringefleet.io.georeference import (
    KILOMETRES,
    METRES,
    Georeference,
    Raster,
    axis_attributes,
    axis_unit,
    crs_unit,
    georeference,
)
from fringefleet.io.grid import GRID_MAPPING, doubt_warning, is_numbered, radar_coordinates
from fringefleet.observation.quantity import is_observation

logger = logging.getLogger(__name__)

_OF_DEGREES = ("latitude", "longitude")  # standard names that imply the unit
_METRES_PER_KILOMETRE = 1000.0


def with_grid_of_store(stack: xr.Dataset) -> xr.Dataset:
    """Number rows and columns without coordinates, and normalise coordinates and grid mapping.

    Raises
    ------
    StackFormatError
        A coordinate is not numeric, or PROJ cannot parse the grid mapping.
    """
    numbers = radar_coordinates((stack.sizes["y"], stack.sizes["x"]))
    stack = stack.assign_coords({dim: numbers[dim] for dim in ("y", "x") if dim not in stack.coords})
    for dim in ("y", "x"):
        if stack[dim].dtype.kind not in "iuf":
            raise StackFormatError(
                f"found the coordinate {dim} of the type {stack[dim].dtype}; numbers are needed."
            )
    stack, crs = _with_grid_mapping(stack)
    if any(is_numbered(stack, dim) for dim in ("y", "x")):
        return stack
    stack = _in_metres(stack, None if crs is None else crs_unit(crs))
    return _with_place(stack, georeference(_raster(stack), [_declared_unit(stack[dim]) for dim in "yx"], crs))


def _with_grid_mapping(stack: xr.Dataset) -> tuple[xr.Dataset, CRS | None]:
    """Rename the grid mapping to our name, and read it."""
    observed = next(name for name in stack.data_vars if is_observation(str(name)))
    name = stack[observed].attrs.get("grid_mapping", GRID_MAPPING)
    if name not in stack.variables:
        return stack, None
    stack = stack.set_coords(name).rename({name: GRID_MAPPING} if name != GRID_MAPPING else {})
    return _mapped(stack), _crs(stack[GRID_MAPPING].attrs)


def _mapped(stack: xr.Dataset) -> xr.Dataset:
    for data in stack.data_vars.values():
        if data.dims[-2:] == ("y", "x"):
            data.attrs["grid_mapping"] = GRID_MAPPING
    return stack


def _crs(attrs: dict[str, Any]) -> CRS:
    try:
        return CRS.from_cf(attrs)
    except (CRSError, KeyError, ValueError) as error:
        raise StackFormatError(
            f"found a grid mapping that PROJ cannot parse ({error}); it needs crs_wkt, or CF's names."
        ) from error


def _declared_unit(coordinate: xr.DataArray) -> object:
    """Return the unit that a coordinate declares."""
    named = coordinate.attrs.get("standard_name") in _OF_DEGREES
    return coordinate.attrs.get("units", "degrees" if named else None)


def _in_metres(stack: xr.Dataset, unit: str | None) -> xr.Dataset:
    """Convert kilometres to metres, unless they are those of the CRS."""
    for dim in ("y", "x"):
        coordinate = stack[dim]
        if axis_unit(coordinate.attrs.get("units")) == KILOMETRES != unit:
            metres = coordinate.values.astype(np.float64) * _METRES_PER_KILOMETRE
            stack = stack.assign_coords({dim: (dim, metres, coordinate.attrs | {"units": METRES})})
    return stack


def _raster(stack: xr.Dataset) -> Raster:
    """Return the grid of the coordinates; a single pixel counts as 1 wide."""
    firsts, steps = [], []
    for dim in ("y", "x"):
        values = stack[dim].values.astype(np.float64)
        step = float(values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 1.0
        firsts.append(float(values[0]) - step / 2)
        steps.append(step)
    return Raster((firsts[0], firsts[1]), (steps[0], steps[1]), (stack.sizes["y"], stack.sizes["x"]))


def _with_place(stack: xr.Dataset, place: Georeference) -> xr.Dataset:
    """Write the known unit and CRS in CF's form; remove contradictory ones."""
    if place.doubt:
        logger.warning(*doubt_warning(place))
        stack = stack.drop_vars(GRID_MAPPING, errors="ignore")
    for dim in ("y", "x"):
        ours = axis_attributes(place, dim)
        theirs = {
            name: text
            for name, text in stack[dim].attrs.items()
            if name != "units" and not (place.doubt and name == "standard_name")
        }
        stack[dim].attrs = ours | theirs
    if place.crs is None:
        return stack
    if GRID_MAPPING not in stack.coords:
        stack = stack.assign_coords({GRID_MAPPING: xr.Variable((), 0, place.crs.to_cf())})
    return _mapped(stack)
