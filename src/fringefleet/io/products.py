"""Write a result as MintPy's files: timeseries.h5, temporalCoherence.h5, numInvIfgram.h5.

A result with the covariance of its displacement gives timeseriesDecorCov.h5 as well, for every two dates.
Its unit is m^2 and its attributes say so; MintPy's say m.

MintPy has no value for "no answer": where the result has NaN its files have zero, as MintPy itself
writes them.
"""

import itertools
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import xarray as xr

from fringefleet.errors import InputError, StackFormatError
from fringefleet.io.mintpy_attributes import common_attributes, date_name, date_names

logger = logging.getLogger(__name__)

DEFAULT_TILE = 512  # pixels a side, where nothing says how the result is stored


class _Product(NamedTuple):
    """One file of MintPy: what is in it, and from which variable of ours it comes."""

    variable: str
    dims: tuple[str, ...]
    file: str
    dataset: str
    unit: str

    @property
    def file_type(self) -> str:
        return self.dataset


PRODUCTS = (
    _Product("displacement", ("date", "y", "x"), "timeseries.h5", "timeseries", "m"),
    _Product("temporal_coherence", ("y", "x"), "temporalCoherence.h5", "temporalCoherence", "1"),
    _Product("pair_count", ("y", "x"), "numInvIfgram.h5", "mask", "1"),
)
COVARIANCE = _Product(
    "displacement_cov", ("date", "date2", "y", "x"), "timeseriesDecorCov.h5", "timeseries", "m^2"
)


def export_mintpy(
    result: xr.Dataset | Path,
    directory: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write the three products of MintPy's network inversion from a result, and the covariance if it has it.

    Parameters
    ----------
    result
        A result Dataset, whole or cut out of one, lazy or not; or the path of a result store. A
        lazy Dataset is computed tile by tile on the current Dask scheduler, each tile once.
    directory
        Where to write; made if it is not there. Files of these names in it are replaced, each at
        once and only when it is complete.
    progress
        Called after every tile with the number of tiles written and of all tiles.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    StackFormatError
        ``result`` is no result, its coordinates form no grid that MintPy can describe, or its covariance
        is of other dates than its displacement.
    InputError
        ``result`` is not there, or ``directory`` or a folder above it is a file.
    """
    if isinstance(result, xr.Dataset):
        return _export(result, directory, progress)
    with _open_store(result) as opened:
        return _export(opened, directory, progress)


def _open_store(path: Path) -> xr.Dataset:
    if not path.exists():
        raise InputError(f"result {path} is not there. Check the path.")
    try:
        opened: xr.Dataset = xr.open_zarr(path, chunks=None, consolidated=False)
    except (OSError, ValueError, KeyError) as error:
        raise StackFormatError(
            f"{path} cannot be read as a Zarr store ({error}); give the result of an inversion."
        ) from error
    return opened


def _export(result: xr.Dataset, directory: Path, progress: Callable[[int, int], None] | None) -> list[Path]:
    _refuse_other(result)
    common = common_attributes(result)
    products = (*PRODUCTS, COVARIANCE) if COVARIANCE.variable in result else PRODUCTS
    paths = [directory / product.file for product in products]
    _make_folder(directory, paths)
    with ExitStack() as stack:
        targets = {}
        for product, path in zip(products, paths, strict=True):
            file = stack.enter_context(_replaced_when_complete(path))
            file.attrs.update(_product_attributes(result, product, common))
            shape = tuple(result.sizes[dim] for dim in product.dims)
            targets[product] = file.create_dataset(product.dataset, shape, dtype=np.float32, chunks=True)
            if "date" in product.dims:
                _write_dates(file, result)
        _write_baselines(targets[PRODUCTS[0]].parent, result)
        _copy_tiles(result, targets, progress)
    return paths


def _refuse_other(result: xr.Dataset) -> None:
    wanted = {product.variable: set(product.dims) for product in PRODUCTS}
    wrong = [n for n, dims in wanted.items() if n not in result or set(result[n].dims) != dims]
    if wrong or "date" not in result.coords:
        raise StackFormatError(
            f"this is no result of an inversion: it needs {', '.join(wanted)} and the coordinate "
            f"date, and has {', '.join(map(str, result.variables)) or 'nothing'}. "
            "Give what invert made."
        )
    if 0 in result["displacement"].shape:
        raise StackFormatError(
            f"the result is empty: {dict(result['displacement'].sizes)}. Select at least one pixel."
        )
    if COVARIANCE.variable in result:
        _refuse_other_covariance(result)


def _refuse_other_covariance(result: xr.Dataset) -> None:
    found = result[COVARIANCE.variable]
    if set(found.dims) != set(COVARIANCE.dims):
        raise StackFormatError(
            f"found {COVARIANCE.variable} over {', '.join(map(str, found.dims))}; it needs "
            f"{', '.join(COVARIANCE.dims)}. Give what invert made, or drop the variable."
        )
    both = [found[dim].values for dim in ("date", "date2") if dim in found.coords]
    if found.sizes["date"] != found.sizes["date2"] or not np.array_equal(both[0], both[-1]):
        raise StackFormatError(
            f"found {found.sizes['date2']} dates along date2 of {COVARIANCE.variable} that are not the "
            f"{found.sizes['date']} along date; MintPy's file has every date with every date. Select the "
            "same dates along both."
        )


def _make_folder(directory: Path, paths: list[Path]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"found a file where the export needs a folder: {directory}, or a folder above it. Give the "
            "name of a folder, which is made if it is not there."
        ) from error
    folders = [str(path) for path in paths if path.is_dir()]
    if folders:
        raise InputError(
            f"found a folder where the export writes a file: {', '.join(folders)}. Give another folder to "
            "write to."
        )


@contextmanager
def _replaced_when_complete(path: Path) -> Iterator[h5py.File]:
    """Write under a temporary name; take the place of ``path`` only if nothing went wrong."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(temporary, "w", locking=False) as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _copy_tiles(
    result: xr.Dataset,
    targets: dict[_Product, h5py.Dataset],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Copy tile by tile; the maps go with the first dates of a tile, to be computed once."""
    largest = max(targets, key=lambda product: len(product.dims))
    cuts = [_cuts(result[largest.variable], dim) for dim in ("y", "x", "date")]
    tiles = list(itertools.product(*cuts))
    for done, (y, x, date) in enumerate(tiles, start=1):
        place = {"y": y, "x": x, "date": date, "date2": slice(None)}
        products = [product for product in targets if "date" in product.dims or date.start == 0]
        plain = result[[product.variable for product in products]].reset_coords(drop=True)
        tile = plain.isel(place, missing_dims="ignore").compute()
        for product in products:
            values = np.array(tile[product.variable].transpose(*product.dims).values, dtype=np.float32)
            values[np.isnan(values)] = 0.0
            targets[product][tuple(place[dim] for dim in product.dims)] = values
        if progress is not None:
            progress(done, len(tiles))


def _cuts(variable: xr.DataArray, dim: str) -> list[slice]:
    """Cut a dimension as it is chunked or stored, so that every chunk is read or computed once."""
    size = variable.sizes[dim]
    if dim in variable.chunksizes:
        stops = np.cumsum(variable.chunksizes[dim]).tolist()
    else:
        stored = variable.encoding.get("preferred_chunks", {})
        # A tile of a covariance is as many tiles as there are dates: one at a time.
        dates = 1 if "date2" in variable.dims else size
        step = stored.get(dim, dates if dim == "date" else DEFAULT_TILE)
        stops = [*range(step, size, step), size]
    return [slice(*bounds) for bounds in itertools.pairwise([0, *stops])]


def _write_dates(file: h5py.File, result: xr.Dataset) -> None:
    file.create_dataset("date", data=np.array(date_names(result), dtype=np.bytes_), chunks=True)


def _write_baselines(file: h5py.File, result: xr.Dataset) -> None:
    if "perpendicular_baseline" in result.coords:
        baseline = result["perpendicular_baseline"].values.astype(np.float32)
    else:
        baseline = np.zeros(result.sizes["date"], dtype=np.float32)
        logger.warning(
            "the result has no perpendicular_baseline: bperp in timeseries.h5 is zero for every "
            "date; do not use it to estimate a DEM error"
        )
    file.create_dataset("bperp", data=baseline, chunks=True)


def _product_attributes(result: xr.Dataset, product: _Product, common: dict[str, str]) -> dict[str, str]:
    attributes = common | {"FILE_TYPE": product.file_type, "UNIT": product.unit}
    if "date" in product.dims:
        reference = result.attrs.get("reference_date", result["date"].values[0])
        attributes["REF_DATE"] = date_name(result, reference)
    if product.variable == "pair_count":
        attributes.pop("NO_DATA_VALUE", None)
    return attributes
