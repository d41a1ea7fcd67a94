"""Description of a stack or a result in plain values, without reading the phase."""

import logging
import math
import os
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from fringefleet.arguments.shapes import Shape
from fringefleet.errors import InputError, OptionError, StackFormatError
from fringefleet.io.checks.door import readable
from fringefleet.io.files.version import FilesVersion
from fringefleet.io.grid import GRID_MAPPING, REFERENCE_PLACES
from fringefleet.io.hdf5.variables import open_hdf5
from fringefleet.io.identify import check_exists
from fringefleet.io.stack import file_format, open_stack, reader_of, stack_network
from fringefleet.io.store.marks import DONE, IS_DONE, IS_SKIPPED, read_marks
from fringefleet.io.store.open_result import has_displacement, is_result, open_result, open_result_group
from fringefleet.io.store.pair_table import BadPair, worst_pairs
from fringefleet.io.store.result_kind import ResultKind, kind_of
from fringefleet.io.store.stored_mask import MASK, RULE
from fringefleet.io.zarr.arrays import array_in
from fringefleet.network.connectivity import Connectivity, connectivity
from fringefleet.network.network import date_name
from fringefleet.option_words import as_it_is, option
from fringefleet.products.provenance import EXTRA_PROVENANCE, PROVENANCE
from fringefleet.status import Status

logger = logging.getLogger(__name__)

_MOST_TILES = 10_000_000
MOST_PAIRS = 8  # number of worst pairs
_ALWAYS_THE_SAME = ("Conventions",)
_SHOWN = (
    *("reference_point", "wavelength", "looks", "mask_rule", "history"),
    *(name for name in (*PROVENANCE, *EXTRA_PROVENANCE) if name not in _ALWAYS_THE_SAME),
)


@dataclass(frozen=True)
class StoredVariable:
    """Array, as it is stored."""

    name: str
    sizes: dict[str, int]
    dtype: str
    chunks: tuple[int, ...] | None
    n_byte: int  # in memory
    unit: str


@dataclass(frozen=True)
class PixelPlace:
    """Position of the pixels: rows and columns, and the centres of the first and last ones."""

    shape: Shape
    crs: str | None
    unit: str
    y: tuple[float, float]
    x: tuple[float, float]


@dataclass(frozen=True)
class Description:
    """Content of a path; ``network`` only for a stack, ``tiles`` and ``status`` only for a result.

    Attributes
    ----------
    path, kind, file_format
        Path, its kind, and the format of its files.
    place, dates, variables
        Position of the pixels, dates, and arrays.
    bytes_on_disk, n_file
        Size and number of files.
    attributes, n_attribute
        Attributes that matter to an inversion; number of all.
    network
        Connectivity of the pairs.
    tiles
        Number of finished tiles, and of all tiles.
    status
        Number of pixels with each status, in finished tiles.
    mask
        Rule of the mask that is stored in a result.
    worst_pairs
        Pairs with the largest misfit, where diagnosed.
    reading
        Access to the arrays of an HDF5 file.
    reader, evidence
        Name of the reader of a stack, and the evidence by which it recognised the path.
    """

    path: str
    kind: Literal["stack"] | ResultKind
    file_format: str
    place: PixelPlace
    dates: tuple[str, ...]
    variables: tuple[StoredVariable, ...]
    bytes_on_disk: int
    n_file: int
    attributes: dict[str, Any]
    n_attribute: int
    network: Connectivity | None = None
    tiles: Shape | None = None
    status: dict[str, int] | None = None
    mask: str | None = None
    worst_pairs: tuple[BadPair, ...] = ()
    reading: str | None = None
    reader: str | None = None
    evidence: str | None = None


def describe(path: Path, *, reader: str | None = None, drop_incomplete: bool = False) -> Description:
    """Describe a stack or a result; only the dates and, of a result, the status are read from its arrays.

    Parameters
    ----------
    path
        MintPy's ``ifgramStack.h5``, or a Zarr store of ours: a stack, a result, the truth of a simulation.
    reader, drop_incomplete
        As for :func:`~fringefleet.io.stack.open_stack`.

    Raises
    ------
    StackFormatError
        The path does not exist, or is none of these.
    """
    check_exists(path)
    if is_result(path):
        check_options_of_result(path, reader, drop_incomplete=drop_incomplete)
        return _describe_result(path)
    stack = open_stack(path, chunks=None, reader=reader, drop_incomplete=drop_incomplete)
    name, evidence = reader_of(stack)
    network = stack_network(stack)
    n_dropped = _stored_pairs(path) - network.n_pair if name == "mintpy" else 0
    return _describe(
        path,
        stack,
        kind="stack",
        file_format=file_format(stack),
        dates=tuple(date_name(date) for date in network.dates),
        network=connectivity(network, n_dropped),
        reading=_reading(stack),
        reader=name,
        evidence=evidence,
    )


def check_options_of_result(path: Path, reader: str | None, *, drop_incomplete: bool) -> None:
    """Reject options that do not apply to a result.

    Raises
    ------
    OptionError
        One is given.
    """
    given = {option("reader", reader): reader is not None, "--drop-incomplete": drop_incomplete}
    for name, is_given in given.items():
        if is_given:
            raise OptionError(f"found {name} with {path}, which is a result; it is for stacks. Leave it out.")


def tile_marks(path: Path) -> NDArray[np.uint8] | None:
    """Return the marks of the tiles of a result, (tile row, tile column); None for a store without marks."""
    group = open_result_group(path)
    with readable(f"the result {path}"):
        marks = read_marks(group) if DONE in group else None
        if "status" in group:
            _check_tiles(array_in(group, "status"), marks)
    return marks


def check_finished(path: Path) -> None:
    """Reject a result with missing tiles, because a missing tile would read as data.

    Tiles that failed and were skipped as requested have no data, and cause a warning.

    Raises
    ------
    InputError
        States how many are missing.
    """
    if not has_displacement(path):
        return
    marks = tile_marks(path)
    if marks is None:
        return
    if n_missing := int((~np.isin(marks, (IS_DONE, IS_SKIPPED))).sum()):
        raise InputError(
            f"{path} is not finished: {n_missing} of {marks.size} tiles are missing. Repeat the invert "
            f"command that started it, with {as_it_is('--resume')}, first."
        )
    if n_skipped := int((marks == IS_SKIPPED).sum()):
        logger.warning(
            "%d of %d tiles of %s could not be computed and have no data; repeat the invert command that "
            "started "
            "it, with --resume, to retry them",
            n_skipped,
            marks.size,
            path,
        )


def _describe_result(path: Path) -> Description:
    with readable(f"the result {path}"):
        result = open_result(path)
        times = np.asarray(result.coords.get("date", []), "datetime64[s]")
        marks = tile_marks(path)
        return _describe(
            path,
            result,
            kind=kind_of(result),
            file_format="Zarr",
            dates=tuple(date_name(date) for date in times.astype(str)),
            tiles=None if marks is None else (int((marks == IS_DONE).sum()), marks.size),
            status=count_status(path) if "status" in result else None,
            mask=str(result[MASK].attrs.get(RULE, "")) if MASK in result else None,
            worst_pairs=tuple(worst_pairs(result, MOST_PAIRS)),
        )


def _describe(path: Path, dataset: xr.Dataset, **facts: Any) -> Description:
    version = dataset.encoding.get("version")
    if isinstance(version, FilesVersion):  # of a folder that may hold other things, too
        bytes_on_disk, n_file = version.size, version.n_file
    else:
        bytes_on_disk, n_file = _disk_use(path)
    wanted = {name: dataset.attrs[name] for name in _SHOWN if name in dataset.attrs}
    return Description(
        path=str(path),
        place=_place(dataset),
        variables=tuple(_variable(str(name), data) for name, data in _largest_first(dataset)),
        bytes_on_disk=bytes_on_disk,
        n_file=n_file,
        attributes=wanted | _reference_coordinates(dataset),
        n_attribute=len(dataset.attrs),
        **facts,
    )


def _reading(stack: xr.Dataset) -> str | None:
    """Describe how a stack in an HDF5 file is read; HDF5's library blocks all threads but one."""
    found = {
        str(name): data.encoding["reading"]
        for name, data in stack.data_vars.items()
        if "reading" in data.encoding
    }
    if not found:
        return None
    reasons: dict[str, list[str]] = {}
    for name, reading in found.items():
        if reading.by_library is not None and "y" in reading.steps:
            reasons.setdefault(reading.by_library, []).append(name)
    if not reasons:
        return "directly, on all cores"
    said = ", ".join(f"{reason} ({', '.join(names)})" for reason, names in reasons.items())
    return f"by h5py in one thread, because {said}"


def _reference_coordinates(dataset: xr.Dataset) -> dict[str, list[float]]:
    if not all(name in dataset.attrs for name in REFERENCE_PLACES):
        return {}
    return {"reference_coordinates": [float(dataset.attrs[name]) for name in REFERENCE_PLACES]}


def _largest_first(dataset: xr.Dataset) -> list[tuple[Hashable, xr.DataArray]]:
    return sorted(dataset.data_vars.items(), key=lambda item: (-item[1].nbytes, str(item[0])))


def _variable(name: str, data: xr.DataArray) -> StoredVariable:
    sizes = {str(dim): size for dim, size in data.sizes.items()}
    preferred = data.encoding.get("preferred_chunks")
    chunks = tuple(preferred[dim] for dim in data.dims) if preferred else data.encoding.get("chunks")
    return StoredVariable(name, sizes, str(data.dtype), chunks, data.nbytes, str(data.attrs.get("units", "")))


def _place(dataset: xr.Dataset) -> PixelPlace:
    y, x = dataset["y"].values, dataset["x"].values
    return PixelPlace(
        shape=(y.size, x.size),
        crs=_crs_name(dataset[GRID_MAPPING].attrs) if GRID_MAPPING in dataset.coords else None,
        unit=str(dataset["y"].attrs.get("units", "")),
        y=(float(y[0]), float(y[-1])),
        x=(float(x[0]), float(x[-1])),
    )


def _crs_name(attrs: Mapping[str, Any]) -> str | None:
    try:
        crs = CRS.from_cf(dict(attrs))
    except (CRSError, KeyError):
        return None
    code = crs.to_epsg()
    return f"EPSG:{code} ({crs.name})" if code else crs.name


def count_status(path: Path) -> dict[str, int]:
    """Count the pixels of each status in the finished tiles of a result, by name.

    They are counted tile by tile, because a missing one would read as something else.
    """
    marks = tile_marks(path)
    status = array_in(open_result_group(path), "status")
    counts = np.zeros(256, np.int64)
    rows, columns = (range(-(-size // step)) for size, step in zip(status.shape, status.chunks, strict=True))
    for i, j in product(rows, columns):
        if marks is None or marks[i, j]:
            part = tuple(
                slice(n * size, (n + 1) * size) for n, size in zip((i, j), status.chunks, strict=True)
            )
            counts += np.bincount(np.asarray(status[part]).ravel(), minlength=256)
    return {code.name.lower(): int(counts[code]) for code in Status}


def _check_tiles(status: "zarr.Array[Any]", marks: NDArray[np.uint8] | None) -> None:
    """Reject marks that do not match the tiles, and more tiles than any result has."""
    n_tile = tuple(-(-size // step) for size, step in zip(status.shape, status.chunks, strict=True))
    if len(n_tile) != 2 or math.prod(n_tile) > _MOST_TILES or (marks is not None and marks.shape != n_tile):
        known = "" if marks is None else f", and marks of {' x '.join(map(str, marks.shape))}"
        raise StackFormatError(
            f"found a status of {' x '.join(map(str, n_tile))} tiles{known}, which is not possible; it is "
            "damaged. Create it again."
        )


def _stored_pairs(path: Path) -> int:
    with open_hdf5(path) as file:
        return int(file["date"].shape[0])


def _disk_use(path: Path) -> tuple[int, int]:
    """Return bytes and files on disk, without files that a run renames or removes meanwhile."""
    if not path.is_dir():
        return path.stat().st_size, 1
    sizes = []
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                sizes.append((Path(folder) / name).stat().st_size)
    return sum(sizes), len(sizes)
