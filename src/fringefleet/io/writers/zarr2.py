"""Write a result as a store of version 2 of the Zarr format, for programs that read no version 3.

Chunks are the tiles of the result, with all dates that are stored together. Metadata are consolidated.
"""

from collections.abc import Hashable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numcodecs import Blosc

from fringefleet.io.grid import GRID_MAPPING
from fringefleet.io.placeholders import placeholder
from fringefleet.io.store.unfinished import FINGERPRINT
from fringefleet.io.writers.base import Progress
from fringefleet.io.writers.files import FileFormat, linked, plan_files, write_files
from fringefleet.io.writers.selected import Selected
from fringefleet.io.writers.targets import MADE_BY, PlannedFiles
from fringefleet.io.writers.tiles import ResultTiles
from fringefleet.io.zarr.arrays import array_in

_SUFFIX = ".zarr"


def plan_result(selected: Selected, target: Path) -> PlannedFiles:
    """Give the stores that would be written."""
    return plan_files(selected, target, _FORMAT)


def write_result(selected: Selected, target: Path, progress: Progress) -> None:
    """Write the stores of a result; see :func:`fringefleet.io.writers.export.export_result`."""
    write_files(selected, target, _FORMAT, progress)


def _write_store(selected: Selected, names: Sequence[str], path: Path, progress: Progress) -> None:
    tiles = selected.tiles(names, progress)
    template = _template(selected, names)
    template.to_zarr(
        path,
        zarr_format=2,
        compute=False,
        consolidated=False,
        encoding={name: _encoding(selected, name, tiles) for name in names},
    )
    group = zarr.open_group(path, mode="r+", zarr_format=2)
    for place, tile in tiles:
        for name, data in tile.items():
            where = tuple(place[str(dim)] for dim in template[name].dims)
            array_in(group, str(name))[where] = data.transpose(*template[name].dims).values
    zarr.consolidate_metadata(path, zarr_format=2)


def _template(selected: Selected, names: Sequence[str]) -> xr.Dataset:
    """Make a Dataset without numbers, but with coordinates and attributes."""
    result = selected.result[list(names)]
    empty: dict[Hashable, xr.Variable] = {}
    for name in names:
        variable = linked(result[name], names).variable
        zeros = placeholder(name, variable.shape, variable.dtype, -1)
        attrs = {
            key: value for key, value in variable.attrs.items() if key not in ("_FillValue", "grid_mapping")
        }
        if GRID_MAPPING in result.coords:
            attrs["grid_mapping"] = GRID_MAPPING
        empty[name] = xr.Variable(variable.dims, zeros, attrs)
    made = xr.Dataset(empty, {name: (c.dims, c.values, c.attrs) for name, c in result.coords.items()})
    attrs = {MADE_BY: version("fringefleet")} | {k: v for k, v in result.attrs.items() if k != FINGERPRINT}
    rule = {} if selected.rule is None else {"mask": selected.rule.text}
    return made.assign_attrs(attrs | rule)


def _encoding(selected: Selected, name: str, tiles: ResultTiles) -> dict[str, Any]:
    """Give a variable the chunks of the tiles, so that every chunk is written once."""
    data, first = selected.result[name], tiles.places[0]
    sides = {dim: first[dim].stop for dim in ("date", "y", "x")} | {"date2": data.sizes.get("date2", 1)}
    no_data = selected.no_data(name)
    return {
        "chunks": tuple(sides[str(dim)] for dim in data.dims),
        "compressors": [Blosc(cname="lz4", clevel=5, shuffle=Blosc.SHUFFLE)],
        "_FillValue": None if no_data is None else np.asarray(no_data, data.dtype)[()],
    }


_FORMAT = FileFormat(_SUFFIX, _write_store, is_folder=True, memory=24 * 1024**2)
