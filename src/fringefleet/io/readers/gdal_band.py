"""Band of any raster that GDAL reads: a VRT, a raw file with a header, a GMT grid."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.errors import StackFormatError
from fringefleet.io.files.version import FileVersion
from fringefleet.io.readers.geotiff import band_unit, opened_raster, raster_grid, read_band
from fringefleet.io.readers.pair_images import Layer
from fringefleet.io.readers.parts import raster_versions

_BESIDE_IT: dict[str, str] = {}  # headers lie next to these files, so GDAL may search there


@dataclass(frozen=True)
class BandImage:
    """Band of a raster; see :class:`~fringefleet.io.readers.pair_images.Image`."""

    versions: tuple[FileVersion, ...]  # of the raster, and of the files that it refers to
    name: str  # of the raster, as GDAL opens it
    band: int  # from 1
    nodata: float | None  # in addition to the declarations of the raster

    def read(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read a window; NaN where there is no data.

        Raises
        ------
        StackFormatError
            The window cannot be read: a truncated or damaged file.
        """
        with opened_raster(self.name, _BESIDE_IT) as raster:
            return read_band(raster, self.band, (rows, columns), self.nodata)


def open_band(path: Path, band: int = 1, *, nodata: float | None = None, raw: Path | None = None) -> Layer:
    """Open a band of a raster without reading pixels.

    Parameters
    ----------
    path
        Path of the raster.
    band
        Index from 1; -1 is the last one.
    nodata
        Value of missing pixels, in addition to the declarations of the raster.
    raw
        File with the raw values of all bands; GDAL reads zeros where it is too short, so its size is
        checked.

    Raises
    ------
    StackFormatError
        The file is missing or not a raster, has no such band, complex numbers or too few bytes, or its
        axes are not those of the map.
    """
    name = str(path.absolute())
    with opened_raster(name, _BESIDE_IT) as raster:
        index = raster.count if band == -1 else band
        if not 1 <= index <= raster.count or np.dtype(raster.dtypes[index - 1]).kind not in "iuf":
            raise StackFormatError(
                f"found {raster.count} band(s) of {', '.join(raster.dtypes)} in {path}; band {band} with "
                "real numbers is needed. Create or copy it again."
            )
        if raw is not None:
            _check_length(raw, raster)
        grid = raster_grid(raster, str(path))
        block = raster.block_shapes[index - 1]
        unit = band_unit(raster, index)
        versions = raster_versions(path, raster.files)
        stored = raster.dtypes[index - 1]
    image = BandImage(versions, name, index, nodata)
    return Layer(str(path), image, grid, (block[0], block[1]), unit, stored)


def _check_length(raw: Path, raster: Any) -> None:
    needed = raster.height * raster.width * sum(np.dtype(name).itemsize for name in raster.dtypes)
    there = raw.stat().st_size
    if there < needed:
        raise StackFormatError(
            f"found {there} bytes in {raw}, where {raster.count} band(s) of {raster.height} x {raster.width} "
            f"pixels take {needed}: it is truncated, or still being written. Copy or create it again."
        )
