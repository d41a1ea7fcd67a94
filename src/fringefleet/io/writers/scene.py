"""Place of a result on the map: outer corner, steps and CRS, as rasters of other programs have them."""

import logging
from dataclasses import dataclass

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import InputError, StackFormatError
from fringefleet.io.georeference import Raster, georeference
from fringefleet.io.grid import GRID_MAPPING, is_numbered, regular_step

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MapPlace:
    """A grid on the map.

    Attributes
    ----------
    raster
        Corner, steps and shape, in the order of the result.
    crs
        Of the coordinates.
    """

    raster: Raster
    crs: CRS

    @property
    def shape(self) -> Shape:
        """Rows and columns."""
        return self.raster.shape

    @property
    def is_flipped(self) -> tuple[bool, bool]:
        """Whether rows go north and columns west, other than in a raster with its north up."""
        return self.raster.step[0] > 0, self.raster.step[1] < 0

    @property
    def geotransform(self) -> tuple[float, float, float, float, float, float]:
        """Left edge, column step, 0, top edge, 0, row step, as GDAL has them, with the north up."""
        (y, x), (dy, dx), (n_row, n_column) = self.raster.corner, self.raster.step, self.shape
        top, left = max(y, y + dy * n_row), min(x, x + dx * n_column)
        return left, abs(dx), 0.0, top, 0.0, -abs(dy)


def place_of(result: xr.Dataset, file_format: str) -> MapPlace:
    """Find the place of a result on the map.

    Parameters
    ----------
    result
        With coordinates y and x.
    file_format
        Name of the format that needs it, for the message.

    Raises
    ------
    InputError
        It is in radar geometry, or its CRS is not known.
    StackFormatError
        Its pixels are at unequal distances.
    """
    if any(is_numbered(result, dim) for dim in "yx"):
        raise InputError(
            f"found a result in radar geometry, whose y and x are rows and columns; {file_format} needs a "
            "place on the map. Export it as netcdf, zarr2 or csv; or as mintpy, for MintPy's geocode.py; or "
            "geocode the stack and repeat the inversion."
        )
    raster = _raster(result, file_format)
    place = georeference(raster, [result[dim].attrs.get("units") for dim in "yx"], crs_of(result))
    if place.crs is None:
        reason = f": {place.doubt}" if place.doubt else ""
        raise InputError(
            f"found no CRS that is known in the result{reason}; {file_format} needs one. Export it as "
            f"netcdf, zarr2 or csv, or give its coordinate {GRID_MAPPING} the attributes of its CRS."
        )
    return MapPlace(raster, place.crs)


def find_place(result: xr.Dataset) -> MapPlace | None:
    """Find the place of a result on the map, for a format that can do without; None if it is not known."""
    try:
        return place_of(result, "the format")
    except InputError:
        return None


def crs_of(result: xr.Dataset) -> CRS | None:
    """Read the CRS that the grid mapping names; None if it names none.

    Raises
    ------
    StackFormatError
        PROJ does not know it.
    """
    attrs = result[GRID_MAPPING].attrs if GRID_MAPPING in result.coords else {}
    if not attrs:
        return None
    try:
        return CRS.from_cf(attrs)
    except (CRSError, KeyError) as error:
        raise StackFormatError(
            f"found a CRS in the coordinate {GRID_MAPPING} of the result that PROJ does not know ({error}); "
            "correct its attribute crs_wkt."
        ) from error


def _raster(result: xr.Dataset, file_format: str) -> Raster:
    found = [_step(result, dim) for dim in "yx"]
    if None in found:
        known = next((abs(step) for step in found if step is not None), None)
        if known is None:
            raise InputError(
                f"found a single pixel, of which nothing says how large it is; {file_format} needs that. "
                "Select more pixels."
            )
        logger.warning("one row or column says nothing of its width: its pixels are taken as squares")
        found = [-known if found[0] is None else found[0], known if found[1] is None else found[1]]
    steps = [step for step in found if step is not None]
    corner = [float(result[dim].values[0]) - step / 2 for dim, step in zip("yx", steps, strict=True)]
    shape = (result.sizes["y"], result.sizes["x"])
    return Raster((corner[0], corner[1]), (steps[0], steps[1]), shape)


def _step(result: xr.Dataset, dim: str) -> float | None:
    """Find the signed pixel size; of a single row or column only its source may say it."""
    values = result[dim].values.astype(np.float64)
    if len(values) > 1:
        return regular_step(values, dim, "a raster")
    try:
        return float(result.attrs[f"{dim.upper()}_STEP"])
    except (KeyError, TypeError, ValueError):
        return None
