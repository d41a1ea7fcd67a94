"""Position of the pixels of a result under MintPy's names, in the words of the source where still valid.

Unit, CRS and corner of the source are kept literally where the coordinates of the result have the same unit
and CRS, or an unknown one on the lattice of the source. Otherwise they are described anew. A subset of the
scene has a corner of its own.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Pixel, Shape
from fringefleet.errors import StackFormatError
from fringefleet.io.georeference import Georeference, Raster, georeference, place_attributes
from fringefleet.io.grid import GRID_MAPPING, attributes_place, attributes_raster, is_numbered, regular_step
from fringefleet.io.mintpy.metadata import number_attribute

logger = logging.getLogger(__name__)

# Attributes of MintPy's source for the position of its rows and columns; wrong in a subset.
_PLACE_IN_WHOLE = re.compile(r"[XY](MIN|MAX)|SUBSET_[XY](MIN|MAX)|(LAT|LON)_REF[1-4]")
_PLACE = re.compile(r"[XY]_(FIRST|STEP|UNIT)")
_UNIT_AND_CRS = re.compile(r"[XY]_UNIT|EPSG|UTM_ZONE")
_SAME = 1e-3  # relative tolerance of a step
FIRST_PIXEL = "first_pixel"  # attribute of a part in radar geometry: row and column of its first pixel


def with_grid(result: xr.Dataset, attributes: dict[str, str]) -> dict[str, str]:
    """Set the position of the pixels; drop that of a larger or another grid in the source.

    Raises
    ------
    StackFormatError
        The coordinates are not a grid that MintPy can describe.
    """
    kept = with_size(result, attributes)
    shape = (result.sizes["y"], result.sizes["x"])
    source = attributes_raster(attributes, shape)
    without = without_place(kept) if source else kept
    if is_in_radar_geometry(result):
        return without | _near_range(result, attributes)
    raster = _raster(result, attributes, shape)
    if raster is None:
        return without
    here = _place(result, raster)
    if source is not None and _agrees(here, raster, attributes_place(attributes, source), source):
        return kept | _corner(raster, attributes)
    if here.unit is None:
        logger.warning(
            "the unit of the coordinates y and x is unknown: MintPy's files get rows and columns only. Set "
            "their attribute units (degrees_north and degrees_east, or m)"
        )
        return without
    replaced = {
        name: value for name, value in kept.items() if source is None or not _UNIT_AND_CRS.fullmatch(name)
    }
    ours = {name: str(value) for name, value in place_attributes(here).items()}
    return replaced | _corner(raster, attributes) | ours


def with_size(result: xr.Dataset, attributes: dict[str, str]) -> dict[str, str]:
    """Set the numbers of rows and columns; drop the position within a larger grid."""
    sizes = {"LENGTH": str(result.sizes["y"]), "WIDTH": str(result.sizes["x"])}
    is_cut = any(attributes.get(name, size) != size for name, size in sizes.items())
    kept = {
        name: value for name, value in attributes.items() if not (is_cut and _PLACE_IN_WHOLE.fullmatch(name))
    }
    return kept | sizes


def without_place(attributes: dict[str, str]) -> dict[str, str]:
    """Drop corner, steps and unit of the pixels."""
    return {name: value for name, value in attributes.items() if not _PLACE.fullmatch(name)}


def is_in_radar_geometry(result: xr.Dataset) -> bool:
    """Return whether rows and columns have numbers in place of coordinates."""
    return any(is_numbered(result, dim) for dim in "yx")


def first_pixel(attrs: Mapping[Any, Any]) -> Pixel:
    """Row and column, in the numbers of radar geometry, of the pixel that attributes count from."""
    row, column = attrs.get(FIRST_PIXEL, (0, 0))
    return int(row), int(column)


def _near_range(result: xr.Dataset, attributes: dict[str, str]) -> dict[str, str]:
    """Return the slant range of the first column [m], where the attributes give that of another one."""
    n_before = float(result["x"].values[0]) - first_pixel(result.attrs)[1] if "x" in result.coords else 0
    if not n_before:
        return {}
    try:
        start, size = (number_attribute(attributes, name) for name in ("STARTING_RANGE", "RANGE_PIXEL_SIZE"))
    except StackFormatError:  # it is not known for the whole either
        return {}
    return {"STARTING_RANGE": str(start + n_before * size)}


def _raster(result: xr.Dataset, source: dict[str, str], shape: Shape) -> Raster | None:
    """Return the grid of the coordinates; None where it is one pixel wide and the size is unknown."""
    steps = [_step(result, dim, source) for dim in ("y", "x")]
    y, x = (
        None if s is None else float(result[dim].values[0]) - s / 2
        for s, dim in zip(steps, "yx", strict=True)
    )
    if y is None or x is None or steps[0] is None or steps[1] is None:
        logger.warning("a single row or column does not define the pixel size: no georeference")
        return None
    return Raster((y, x), (steps[0], steps[1]), shape)


def _step(result: xr.Dataset, dim: str, source: dict[str, str]) -> float | None:
    """Return the signed pixel size; for a single row or column that of the source, if any."""
    values: NDArray[np.float64] = result[dim].values.astype(np.float64)
    if len(values) == 1:
        said = source.get(f"{dim.upper()}_STEP")
        return None if said is None else float(said)
    return regular_step(values, dim, "MintPy")


def _place(result: xr.Dataset, raster: Raster) -> Georeference:
    """Determine the unit and the CRS of the coordinates."""
    crs = pyproj.CRS.from_cf(result[GRID_MAPPING].attrs) if GRID_MAPPING in result.coords else None
    return georeference(raster, [result[dim].attrs.get("units") for dim in ("y", "x")], crs)


def _agrees(here: Georeference, raster: Raster, said: Georeference, source: Raster) -> bool:
    """Return whether the position in the source is valid for the coordinates of the result."""
    if here.unit is None:
        steps = np.array(raster.step) / np.array(source.step)
        return bool((np.abs(steps - np.rint(steps)) <= _SAME).all() and np.rint(steps).all())
    if here.unit != said.unit:
        return False
    return here.crs is None or said.crs is None or here.crs.equals(said.crs, ignore_axis_order=True)


def _corner(raster: Raster, source: dict[str, str]) -> dict[str, str]:
    """Return the corner and the steps, in the digits of the source where they are equal."""
    found: dict[str, str] = {}
    for axis, first, step in zip("YX", raster.corner, raster.step, strict=True):
        found[f"{axis}_FIRST"] = _keep_if_close(source.get(f"{axis}_FIRST"), first, step)
        found[f"{axis}_STEP"] = _keep_if_close(source.get(f"{axis}_STEP"), step, step)
    return found


def _keep_if_close(text: str | None, value: float, step: float) -> str:
    """Return the source's own digits where they represent the same value."""
    if text is not None and abs(float(text) - value) <= 1e-5 * abs(step):
        return text
    return str(value)
