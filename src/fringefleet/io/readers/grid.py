"""Grid of one image, and comparison of the grids of two."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import StackFormatError
from fringefleet.io.georeference import Georeference, Raster, georeference, place_attributes
from fringefleet.io.grid import radar_coordinates, regular_coordinates

_SAME_PLACE = 0.01  # [pixel] tolerance of corners


@dataclass(frozen=True)
class Grid:
    """Rows, columns and position of an image; ``corner`` and ``step`` are None in radar geometry.

    ``corner``: ``y, x`` of the outer corner of the first pixel. ``step``: signed size of a pixel along
    ``y, x``. ``crs``: anything that PROJ reads, such as WKT or ``EPSG:4326``.
    """

    shape: Shape
    corner: tuple[float, float] | None = None
    step: tuple[float, float] | None = None
    crs: str | None = None

    def agrees_with(self, other: "Grid") -> bool:
        """Return whether both have the same pixels, to a hundredth of one at all corners."""
        if self == other:
            return True
        if self.shape != other.shape or not _same_crs(self.crs, other.crs):
            return False
        if self.step is None or other.step is None:
            return self.step is other.step
        near, far = (
            [abs(a - b) / abs(s) for a, b, s in zip(mine, theirs, self.step, strict=True)]
            for mine, theirs in ((self.corner or (), other.corner or ()), (self._end(), other._end()))
        )
        return max(*near, *far) <= _SAME_PLACE

    def shift_from(self, other: "Grid") -> tuple[int, int] | None:
        """Return the rows and columns by which this grid starts after another on the same lattice of pixels.

        None where the lattices differ: in the size of a pixel, the CRS or a fraction of a pixel, by more
        than a hundredth of one at any corner; or where one of them is not georeferenced.
        """
        if self.step is None or other.step is None or not _same_crs(self.crs, other.crs):
            return None
        corners = zip(self.corner or (), other.corner or (), other.step, strict=True)
        apart = [(mine - theirs) / step for mine, theirs, step in corners]
        shift = round(apart[0]), round(apart[1])
        return shift if other.part(shift, self.shape).agrees_with(self) else None

    def part(self, start: tuple[int, int], shape: Shape) -> "Grid":
        """Return the subgrid of a shape from a row and a column on, which may be outside."""
        (y, x), (dy, dx) = self.corner or (0.0, 0.0), self.step or (1.0, 1.0)
        corner = (y + dy * start[0], x + dx * start[1])
        return replace(self, shape=shape, corner=None if self.corner is None else corner)

    def coordinates(self) -> dict[str, xr.Variable]:
        """Make the coordinates ``y``, ``x`` and, where the CRS is known, ``spatial_ref``."""
        raster = self._raster()
        return (
            radar_coordinates(self.shape)
            if raster is None
            else regular_coordinates(raster, self._place(raster))
        )

    def attributes(self) -> dict[str, Any]:
        """Return the grid as MintPy's attributes, which an export writes."""
        size: dict[str, Any] = {"LENGTH": self.shape[0], "WIDTH": self.shape[1]}
        raster = self._raster()
        if raster is None:
            return size
        place = {
            f"{axis}_{name}": value
            for axis, *values in zip("YX", raster.corner, raster.step, strict=True)
            for name, value in zip(("FIRST", "STEP"), values, strict=True)
        }
        return size | place | place_attributes(self._place(raster))

    def __str__(self) -> str:
        """Describe the grid for a message."""
        size = f"{self.shape[0]} x {self.shape[1]} pixels"
        if self.corner is None or self.step is None:
            return f"{size} without georeference"
        crs = self._known_crs()
        code = None if crs is None else crs.to_epsg()
        name = "no CRS" if crs is None else f"EPSG:{code}" if code else crs.name
        return (
            f"{size} of {abs(self.step[0]):.10g} x {abs(self.step[1]):.10g} from y = {self.corner[0]:.10g}, "
            f"x = {self.corner[1]:.10g} ({name})"
        )

    def _end(self) -> tuple[float, float]:
        """Outer corner of the last pixel, ``y, x``."""
        (y, x), (dy, dx) = self.corner or (0, 0), self.step or (1, 1)
        return y + dy * self.shape[0], x + dx * self.shape[1]

    def _raster(self) -> Raster | None:
        if self.corner is None or self.step is None:
            return None
        return Raster(self.corner, self.step, self.shape)

    def _place(self, raster: Raster) -> Georeference:
        return georeference(raster, crs=self._known_crs())

    def _known_crs(self) -> CRS | None:
        return None if self.crs is None else _parse_crs(self.crs)


@lru_cache(maxsize=64)
def _parse_crs(text: str) -> CRS:
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise StackFormatError(f"found the CRS {text!r}, which PROJ does not know. Correct it.") from error


def _same_crs(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or _parse_crs(one).equals(_parse_crs(other), ignore_axis_order=True)
