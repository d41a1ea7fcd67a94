"""Write a result as NetCDF-4 by the CF conventions, which GDAL, QGIS, xarray and Panoply open at its place.

Variables are stored in chunks of one date, compressed by Deflate after a shuffle. Times are days since 1970;
the CRS is a grid mapping, for which GDAL finds corner and steps besides.

References
----------
CF conventions 1.11; GDAL: driver ``netCDF``, attribute ``GeoTransform``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr

from fringefleet.io.grid import GRID_MAPPING, is_numbered
from fringefleet.io.store.conventions import with_history
from fringefleet.io.store.unfinished import FINGERPRINT
from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.files import FileFormat, linked, plan_files, write_files
from fringefleet.io.writers.scene import find_place
from fringefleet.io.writers.selected import Selected
from fringefleet.io.writers.targets import PlannedFiles

_SUFFIX = ".nc"
_RECOMMENDED_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
_LARGEST_SIDE = 512  # [pixel] of a chunk, where a tile of the result can be cut into equal ones
_SMALLEST_SIDE = 64
_PACKING = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
_DAY = np.timedelta64(1, "D")
_TIME = {
    "standard_name": "time",
    "long_name": "acquisition date",
    "units": "days since 1970-01-01 00:00:00",
    "calendar": "standard",
    "units_metadata": "leap_seconds: unknown",
}
_NOT_HERE = ("quantization", "grid_mapping", "coordinates", "_FillValue")  # attributes of variables


def plan_result(selected: Selected, target: Path) -> PlannedFiles:
    """Give the files that would be written."""
    return plan_files(selected, target, _FORMAT)


def write_result(selected: Selected, target: Path, progress: Progress) -> None:
    """Write the NetCDF files of a result; see :func:`fringefleet.io.writers.export.export_result`."""
    write_files(selected, target, _FORMAT, progress)


def _write_file(selected: Selected, names: Sequence[str], path: Path, progress: Progress) -> None:
    tiles = selected.tiles(names, progress)
    with h5netcdf.File(path, "w") as file:
        file.attrs.update(_global_attributes(selected))
        _write_coordinates(file, selected.result, names)
        first = tiles.places[0]
        sides = {dim: _chunk_side(first[dim].stop) for dim in ("y", "x")}
        targets = {
            name: _create(file, selected, linked(selected.result[name], names), sides) for name in names
        }
        for place, tile in tiles:
            for name, data in tile.items():
                dims = targets[str(name)].dimensions
                targets[str(name)][tuple(place[dim] for dim in dims)] = data.transpose(*dims).values


def _chunk_side(size: int) -> int:
    """Cut a side of a tile into equal parts, so that every chunk is packed once.

    Examples
    --------
    >>> [_chunk_side(size) for size in (400, 1024, 1500, 1009)]
    [400, 512, 500, 1009]
    """
    sides = (side for side in range(min(size, _LARGEST_SIDE), _SMALLEST_SIDE - 1, -1) if size % side == 0)
    return next(sides, size)


def _create(
    file: h5netcdf.File, selected: Selected, data: xr.DataArray, sides: Mapping[str, int]
) -> h5netcdf.Variable:
    name = str(data.name)
    dims = sorted(map(str, data.dims), key=["date", "date2", "y", "x"].index)
    no_data = selected.no_data(name)
    made = file.create_variable(
        name,
        dims,
        data.dtype,
        chunks=tuple(min(sides.get(dim, 1), data.sizes[dim]) for dim in dims),
        fillvalue=None if no_data is None else data.dtype.type(no_data),
        **_PACKING,
    )
    made.attrs.update(_variable_attributes(data))
    if GRID_MAPPING in file.variables:
        made.attrs["grid_mapping"] = GRID_MAPPING
    if "date" in dims and (of_dates := _of_dates(selected.result)):
        made.attrs["coordinates"] = " ".join(of_dates)
    return made


def _variable_attributes(data: xr.DataArray) -> dict[str, Any]:
    found = {str(key): value for key, value in data.attrs.items() if key not in _NOT_HERE}
    if "flag_values" in found:
        found["flag_values"] = np.asarray(found["flag_values"], data.dtype)
    if found.get("units") == "pixel":  # no unit of UDUNITS
        found |= {"units": "1", "long_name": f"{found.get('long_name', data.name)} [pixel]"}
    return {"long_name": str(data.name).replace("_", " "), **dict(_plain(found))}


def _write_coordinates(file: h5netcdf.File, result: xr.Dataset, names: Sequence[str]) -> None:
    """Write the dimensions of the variables, their coordinates and what else is known of the dates."""
    dims = [dim for dim in ("date", "date2", "y", "x") if any(dim in result[name].dims for name in names)]
    file.dimensions = {dim: result.sizes[dim] for dim in dims}
    place = find_place(result)
    if place is not None:
        attrs = dict(_plain(place.crs.to_cf()))
        if place.is_flipped == (False, False):
            attrs["GeoTransform"] = " ".join(map(repr, place.geotransform))
        file.create_variable(GRID_MAPPING, (), np.int32, data=0).attrs.update(attrs)
    for dim in dims:
        values = result[dim].values if dim in result.coords else np.arange(result.sizes[dim])
        if dim.startswith("date"):
            attrs = _TIME | ({"axis": "T"} if dim == "date" else {})
            values = _days(values)
        else:
            axis = {} if is_numbered(result, dim) else {"axis": dim.upper()}  # rows are no latitude
            attrs = dict(_plain(result[dim].attrs)) | axis
        file.create_variable(dim, (dim,), values.dtype, data=values).attrs.update(attrs)
    for name in _of_dates(result) if "date" in dims else ():
        data = result[name]
        made = file.create_variable(name, ("date",), data.dtype, data=data.values)
        made.attrs.update(_variable_attributes(data))


def _of_dates(result: xr.Dataset) -> list[str]:
    """Name what else is known of the dates, such as the perpendicular baseline."""
    return [
        str(name)
        for name, data in result.coords.items()
        if data.dims == ("date",) and name != "date" and data.dtype.kind in "fiu"
    ]


def _days(times: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Count the days since 1970 of times; whole numbers if all of them are at midnight."""
    days = (times.astype("datetime64[s]") - np.datetime64("1970-01-01", "s")) / _DAY
    return days.astype(np.int32) if (days == np.rint(days)).all() else days


def _global_attributes(selected: Selected) -> dict[str, Any]:
    attrs = selected.result.attrs
    ours = f"fringefleet {version('fringefleet')}"
    return {
        **dict(_plain({key: value for key, value in attrs.items() if key != FINGERPRINT})),
        "Conventions": "CF-1.11",
        "title": str(attrs.get("title", "Displacement from InSAR")),
        "source": str(attrs.get("source", f"interferograms, inverted by {ours}")),
        "history": with_history(attrs, "export"),
    } | ({} if selected.rule is None else {"mask": selected.rule.text})


def _plain(attrs: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Give the attributes that NetCDF can hold, under names that CF recommends."""
    for name, value in attrs.items():
        if _RECOMMENDED_NAME.fullmatch(str(name)):
            found = value if isinstance(value, str) else np.asarray(value)
            if isinstance(found, str) or found.dtype.kind in "fiu":
                yield str(name), found if isinstance(found, str) or found.ndim else found[()]


_FORMAT = FileFormat(_SUFFIX, _write_file)
