"""Reader of unwrapped interferograms of GMTSAR, as GMT grids.

The folder ``intf_all``, ``intf`` or ``merge`` of pairs, or the folder that contains it::

    intf_all/2015000_2015012/unwrap.grd, corr.grd    phase [rad] and correlation; also conncomp.grd
    intf_all/2015000_2015012/*.PRM                   parameters of the two images
    baseline_table.dat, config*.txt or *.config      among the pairs, or in the folder above, or its raw/

These grids are in radar geometry, and so is the stack. To use the geocoded ones, give one of
them: ``intf_all/2015000_2015012/unwrap_ll.grd`` stands for that of every pair, with ``corr_ll.grd``; any
other name that begins with ``unwrap`` works likewise. Rows count from the north, or from the last azimuth
line, as in MintPy.

A folder is named after the dates of the pair, ``YYYYDDD`` or ``YYYYMMDD``. DDD counts the days of the year
from 0: ``intf_tops.csh`` takes it from ``SC_clock_start``, which is 2015000.5 at noon of 1 January.

Grids are NetCDF-4 or, as ``filter.csh`` sets it (``IO_NC4_CHUNK_SIZE classic``), NetCDF-3; GDAL's netCDF
driver reads both, with pixel or gridline registration. Unwrapping with a region cuts the phase only; the
stack has the extent common to all grids.

Notes
-----
Sign: ``phasediff`` multiplies the first image of the name with the conjugate of the second, and
``geocode.csh`` converts it to displacement towards the satellite by -1000 / (4 pi) = -79.58 times the
wavelength. NaN is no data. A Gaussian filter takes the place of looks; MintPy counts 0.3 times its
wavelength divided by the size of a pixel.

References
----------
GMTSAR: ``intf_tops.csh``, ``filter.csh``, ``snaphu.csh``, ``phasediff.c``, ``geocode.csh``. MintPy:
``prep_gmtsar``, ``readfile.read_gmtsar_prm``, ``ptime.yyyyddd2yyyymmdd``.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import xarray as xr

from fringefleet.errors import StackFormatError
from fringefleet.io.files.folder import find_files
from fringefleet.io.grid import radar_coordinates
from fringefleet.io.readers.assemble import Pair, assemble
from fringefleet.io.readers.base import Reader, name_below
from fringefleet.io.readers.extent import cut_to_common
from fringefleet.io.readers.gdal_band import open_band
from fringefleet.io.readers.gmtsar_metadata import baselines_of_dates, image_attributes
from fringefleet.io.readers.incomplete import check_complete
from fringefleet.io.readers.pair_images import Layer

_PAIR = re.compile(r"(\d{7}|\d{8})_(\d{7}|\d{8})")
_GEOREFERENCE = re.compile(r"[XY]_(FIRST|STEP|UNIT)|EPSG|UTM_ZONE")
_FOLDERS = ("", "intf_all", "intf", "merge")


def _find_evidence(path: Path) -> str | None:
    if path.is_file():
        is_phase = re.fullmatch(r"unwrap\w*\.grd", path.name) is not None
        return f"{path.absolute().parent.name}/{path.name}" if is_phase and _is_pair(path.parent) else None
    return name_below(_first_grid(path), path) if path.is_dir() else None


def _is_pair(folder: Path) -> bool:
    return _PAIR.fullmatch(folder.absolute().name) is not None


def _first_grid(folder: Path) -> Path | None:
    """Find a phase, in the first of the folders of pairs."""
    grids = (grid for name in _FOLDERS for grid in find_files(folder / name, "*_*/unwrap.grd"))
    return next((grid for grid in grids if _is_pair(grid.parent)), None)


def _root(folder: Path) -> Path:
    """Find the folder that contains the pairs."""
    grid = _first_grid(folder)
    return folder if grid is None else grid.parent.parent


def _open(path: Path, drop_incomplete: bool) -> xr.Dataset:
    """Open the pairs lazily.

    Raises
    ------
    StackFormatError
        A file is missing, unreadable or inconsistent with the others; the message names it.
    """
    root = path.absolute().parent.parent if path.is_file() else _root(path)
    name = path.name if path.is_file() else "unwrap.grd"
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir() and _is_pair(folder))
    lacking = [folder.name for folder in folders if not (folder / name).is_file()]
    check_complete(lacking, len(folders), name, drop_incomplete=drop_incomplete, are_folders=True)
    folders = [folder for folder in folders if folder.name not in lacking]
    geocoded = name.removesuffix(".grd").endswith("_ll")
    layers = [_layers(folder, name, geocoded) for folder in folders]
    cut = iter(cut_to_common([layer for found in layers for layer in found.values()]))
    layers = [{key: next(cut) for key in found} for found in layers]
    grid = None if geocoded else layers[0]["unwrapped_phase"].grid
    attrs = image_attributes(root, folders, grid)
    baselines = baselines_of_dates(root)
    pairs = [_pair(*parts, baselines) for parts in zip(folders, layers, attrs, strict=True)]
    stack = assemble(root, pairs, drop_incomplete=drop_incomplete)
    return stack if geocoded else _in_radar_geometry(stack)


def _pair(
    folder: Path, layers: dict[str, Layer], attrs: dict[str, Any], baselines: Mapping[date, float]
) -> Pair:
    first, second = (_date(text, folder) for text in folder.name.split("_"))
    known = first in baselines and second in baselines
    baseline = baselines[second] - baselines[first] if known else None
    return Pair(folder.name, (first.strftime("%Y%m%d"), second.strftime("%Y%m%d")), layers, attrs, baseline)


def _date(text: str, folder: Path) -> date:
    """Parse YYYYMMDD, or YYYYDDD whose days count from 0."""
    try:
        if len(text) == 8:
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        found = date(int(text[:4]), 1, 1) + timedelta(days=int(text[4:]))
    except ValueError as error:
        raise StackFormatError(
            f"found {text} in the name of {folder}, which is not a date. Rename it."
        ) from error
    if found.year != int(text[:4]):
        raise StackFormatError(
            f"found {text} in the name of {folder}; days of a year count from 0 to 364 or 365. Rename it."
        )
    return found


def _layers(folder: Path, name: str, geocoded: bool) -> dict[str, Layer]:
    ending = "_ll.grd" if geocoded else ".grd"
    files = {"coherence": folder / f"corr{ending}", "connected_component": folder / f"conncomp{ending}"}
    there = {"unwrapped_phase": folder / name} | {key: file for key, file in files.items() if file.is_file()}
    return {key: _layer(file, geocoded) for key, file in there.items()}


def _layer(path: Path, geocoded: bool) -> Layer:
    try:
        layer = open_band(path)
    except StackFormatError as error:
        raise StackFormatError(
            f"{error} A grid of GMT needs GDAL with its netCDF driver (conda: libgdal-netcdf); "
            f"`gmt grdconvert {path.name} another.grd` writes it anew."
        ) from error
    grid = layer.grid
    if not geocoded or grid.corner is None:
        return layer
    y, x = grid.corner
    return replace(layer, grid=replace(grid, corner=(y, x - 360 if x >= 180 else x), crs="EPSG:4326"))


def _in_radar_geometry(stack: xr.Dataset) -> xr.Dataset:
    """Number rows and columns; range and azimuth were only needed to compare the grids."""
    attrs = {name: value for name, value in stack.attrs.items() if not _GEOREFERENCE.fullmatch(name)}
    numbered = stack.assign_coords(radar_coordinates((stack.sizes["y"], stack.sizes["x"])))
    numbered.attrs = attrs
    return numbered


READER = Reader(
    "gmtsar", "GMTSAR", "GMTSAR's folder intf_all of pairs with unwrap.grd", _find_evidence, _open
)
