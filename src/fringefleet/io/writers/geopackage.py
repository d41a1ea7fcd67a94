"""Write the pixels of a result as points of a GeoPackage: a field for each map and date.

The units of the fields are in the metadata of the layer. A GeoPackage notes when it was changed, for which
the last date of the result is given: the same export gives the same bytes.

References
----------
OGC 12-128r18: GeoPackage. OGC 06-103r4: well-known binary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyogrio
import pyogrio.raw
import xarray as xr
from numpy.typing import NDArray

from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.files import FileFormat, plan_files, write_files
from fringefleet.io.writers.points import PixelTable
from fringefleet.io.writers.scene import place_of
from fringefleet.io.writers.selected import Selected
from fringefleet.io.writers.targets import PlannedFiles

_SUFFIX = ".gpkg"
_MEMORY = 96 * 1024**2  # of GDAL, and of rows as points
_BYTES_OF_PLACE = 160  # of a point, with its place in the index
_BYTES_ON_DISK = 4.0  # of a number, by those that it has in memory, at most
_LAYER = "result"
_VERSION = "1.3"  # of the format: GDAL before 3.7, as in QGIS 3.22, warns of later ones
_POINT = np.dtype([("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])
_CLOCK = "OGR_CURRENT_DATE"


def plan_result(selected: Selected, target: Path) -> PlannedFiles:
    """Give the files that would be written."""
    place_of(selected.result, "geopackage")
    return plan_files(selected, target, _FORMAT)


def write_result(selected: Selected, target: Path, progress: Progress) -> None:
    """Write the points of a result; see :func:`fringefleet.io.writers.export.export_result`."""
    with _clock_at(selected.result):
        write_files(selected, target, _FORMAT, progress)


def _write_file(selected: Selected, names: Sequence[str], path: Path, progress: Progress) -> None:
    table = PixelTable(selected, tuple(names))
    crs = place_of(selected.result, "geopackage").crs.to_wkt()
    units = "; ".join(f"{name}: {unit}" for name, unit in table.units.items())
    for place, columns in table.pieces(progress):
        x, y = list(place.values())[:2]
        is_first = not path.exists()
        pyogrio.raw.write(
            path,
            _points(x, y),
            list(columns.values()),
            list(columns),
            layer=_LAYER,
            driver="GPKG",
            geometry_type="Point",
            crs=crs,
            append=not is_first,
            dataset_options={"VERSION": _VERSION} if is_first else None,
            layer_metadata={"units": units} if is_first else None,
        )


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.object_]:
    """Make the well-known binary of points, little-endian."""
    found = np.empty(len(x), _POINT)
    found["order"], found["kind"], found["x"], found["y"] = 1, 1, x, y
    return found.view(f"V{_POINT.itemsize}").astype(object)


@contextmanager
def _clock_at(result: xr.Dataset) -> Iterator[None]:
    """Let GDAL note the last date of a result as the time of every change."""
    last = result["date"].values[-1] if "date" in result.coords else 0
    time = np.datetime64(last, "ms")
    earlier = pyogrio.get_gdal_config_option(_CLOCK)
    pyogrio.set_gdal_config_options({_CLOCK: f"{time}Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({_CLOCK: earlier})


_FORMAT = FileFormat(
    _SUFFIX, _write_file, _BYTES_ON_DISK, whole_series=True, memory=_MEMORY, place=_BYTES_OF_PLACE
)
