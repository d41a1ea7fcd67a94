"""MintPy's files of a result: timeseries.h5, temporalCoherence.h5, numInvIfgram.h5.

A result with the covariance of its displacement also yields timeseriesDecorCov.h5, for every two dates.
Its unit is m^2, as its attributes state; MintPy's state m. Offsets have a residual in place of the temporal
coherence: the root of the sum of the squares [pixel]. The names of the files follow MintPy, too.

MintPy has no value for missing estimates: where the result has NaN its files have zero, as MintPy itself
writes them. Only the residual of an offset is NaN there, as it is in MintPy.
"""

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import xarray as xr

from fringefleet.errors import InputError, OptionError, StackFormatError
from fringefleet.io.dates import dates_meant
from fringefleet.io.mintpy.attributes import common_attributes, date_names, mintpy_date_name
from fringefleet.io.store.atomic_files import replaced_when_complete
from fringefleet.io.store.result_kind import check_dates, check_not_empty, result_name
from fringefleet.io.writers import writer_named
from fringefleet.io.writers.base import Progress, no_progress
from fringefleet.io.writers.export import checked_target, opened
from fringefleet.io.writers.files import BYTES_OF_HEADER
from fringefleet.io.writers.memory import bytes_of_export
from fringefleet.io.writers.selected import Selected
from fringefleet.io.writers.targets import PlannedFiles, check_existing, folder_for
from fringefleet.io.writers.tiles import ResultTiles
from fringefleet.network.network import shorten
from fringefleet.observation.quantity import PHASE, is_offset
from fringefleet.option_words import in_words_of_python, option
from fringefleet.products.answers import describe_no_answer

logger = logging.getLogger(__name__)


class _Product(NamedTuple):
    """File of MintPy: its content, and the variable of ours that it is made from."""

    variable: str
    dims: tuple[str, ...]
    dataset: str
    unit: str
    no_answer: float = 0.0

    @property
    def file_type(self) -> str:
        return self.dataset


_SERIES = _Product("displacement", ("date", "y", "x"), "timeseries", "m")
_COHERENCE = _Product("temporal_coherence", ("y", "x"), "temporalCoherence", "1")
_RESIDUAL = _Product("residual_rms", ("y", "x"), "residual", "pixel", np.nan)
_COUNT = _Product("pair_count", ("y", "x"), "mask", "1")
_COVARIANCE = _Product("displacement_cov", ("date", "date2", "y", "x"), "timeseries", "m^2")

_OF_HDF5 = 64 * 1024**2  # [byte] of its caches, and of what describes the files
Names = tuple[str | Path, str | Path, str | Path]  # of series, quality and count
_PHASE_NAMES: Names = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
_ION_NAMES: Names = ("ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5")
_OFFSET_NAMES: dict[str, Names] = {
    "range_offset": ("timeseriesRg.h5", "residualInvRg.h5", "numInvOffRg.h5"),
    "azimuth_offset": ("timeseriesAz.h5", "residualInvAz.h5", "numInvOffAz.h5"),
}


def product_names(observation: str, stack: str) -> Names:
    """Return the names of the three files, by MintPy's rule: from the observation and the name of the stack.

    Examples
    --------
    >>> product_names("unwrapped_phase", "ionStack.h5")
    ('ion.h5', 'temporalCoherenceIon.h5', 'numInvIon.h5')
    """
    if observation in _OFFSET_NAMES:
        return _OFFSET_NAMES[observation]
    return _ION_NAMES if Path(stack).name.startswith("ion") else _PHASE_NAMES


def mask_name(quality: Path) -> Path:
    """Name the mask of a file of temporal coherence as MintPy does.

    Examples
    --------
    >>> str(mask_name(Path("temporalCoherenceIon.h5"))), str(mask_name(Path("residualInvRg.h5")))
    ('maskTempCohIon.h5', 'maskTempCoh.h5')
    """
    name = _COHERENCE.dataset
    ending = quality.name.partition(name)[2] if name in quality.name else ".h5"
    return quality.with_name(f"maskTempCoh{ending}")


def covariance_name(series: str | Path, observation: str) -> Path:
    """Return the name of the file of the covariance, derived from that of the series as in MintPy.

    Examples
    --------
    >>> str(covariance_name("timeseries.h5", "unwrapped_phase"))
    'timeseriesDecorCov.h5'
    """
    path = Path(series)
    kind = "" if is_offset(observation) else "Decor"
    return path.with_name(f"{path.stem}{kind}Cov.h5")


def export_mintpy(
    result: xr.Dataset | Path | str,
    directory: Path | str,
    *,
    names: Names | None = None,
    covariance_date: str | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> list[Path]:
    """Write MintPy's three products of the network inversion from a result, and the covariance if present.

    Parameters
    ----------
    result
        A result Dataset, whole or cut out of one, lazy or not; or the path of a result store. A
        lazy Dataset is computed tile by tile on the current Dask scheduler, each tile once.
    directory
        Output folder; created if it does not exist.
    names
        Names of series, quality and count; MintPy's (:func:`product_names`) if None.
    covariance_date
        Date that the covariance is relative to, in the format of the dates of the source; that of the series
        if None.
    overwrite
        Replace existing files of these names, when all of the new ones are complete.
    progress
        Called after every tile with the number of tiles written and of all tiles.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    StackFormatError
        ``result`` is not a result, its coordinates are not a grid that MintPy can describe, or its covariance
        has other dates than its displacement.
    InputError
        ``result`` does not exist, ``directory`` or a folder above it is a file, or ``covariance_date`` is not
        a date of the result.
    OutputExistsError
        Files of these names exist, and ``overwrite`` is false.
    """
    directory = checked_target(directory, writer_named("mintpy"))
    with opened(result) as data:
        selected = Selected(_relative_to(data, covariance_date), (_SERIES.variable,))
        planned = _planned(selected, directory, names)
        check_existing(planned, overwrite=overwrite)
        _write(selected, planned, _products(selected.result, names), progress)
    return list(planned.paths)


def plan_result(selected: Selected, target: Path) -> PlannedFiles:
    """Give the files that would be written; a covariance or a mask of another export is related to them."""
    planned = _planned(selected, target, None)
    series, quality = planned.paths[:2]
    observation = str(selected.result.attrs.get("observation", PHASE))
    optional = (covariance_name(series, observation), mask_name(quality))
    related = [path for path in optional if path not in planned.paths and path.exists()]
    return replace(planned, related=related)


def write_result(selected: Selected, target: Path, progress: Progress) -> None:
    """Write a result as :func:`export_mintpy` does, with the names and the reference date of MintPy.

    Pixels that are left out keep their values, as in MintPy's files; ``maskTempCoh.h5`` says which they are.
    """
    _write(selected, _planned(selected, target, None), _products(selected.result, None), progress)


def check_exportable(result: xr.Dataset, covariance_date: str | None = None) -> None:
    """Check that a result, which may not exist yet, can be written as MintPy's files.

    Parameters
    ----------
    result, covariance_date
        As for :func:`export_mintpy`.

    Raises
    ------
    StackFormatError, InputError
        As for :func:`export_mintpy`.
    """
    _relative_to(result, covariance_date)
    common = common_attributes(result)
    for product in _products(result, None):
        _product_attributes(result, product, common)


def _relative_to(result: xr.Dataset, wanted: str | None) -> xr.Dataset:
    """Make the covariance relative to another date, lazily; the series is unchanged."""
    if wanted is None:
        return result
    if _COVARIANCE.variable not in result:
        raise OptionError(
            f"found {option('covariance_date', wanted)}, but no {_COVARIANCE.variable} in the result, the "
            "only "
            "variable that it applies to. Omit it, or invert with covariance = True."
        )
    names = date_names(result)
    found = dates_meant(wanted, result["date"].values)
    if len(found) != 1:
        raise InputError(
            f"found {wanted} as the date that the covariance is relative to, which is "
            f"{'none' if not found else 'more than one'} of those of the result: {shorten(names)}."
        )
    index, wanted = found[0], names[found[0]]
    cov = result[_COVARIANCE.variable]
    if not cov.chunks:
        cov = cov.chunk(cov.encoding.get("preferred_chunks", {}))
    cov = cov.astype(np.float64)
    of_date, of_date2 = cov.isel(date=index, drop=True), cov.isel(date2=index, drop=True)
    moved = cov - of_date - of_date2 + of_date.isel(date2=index, drop=True)
    return result.assign({_COVARIANCE.variable: moved.assign_attrs(reference_date=wanted)})


def _planned(selected: Selected, directory: Path, names: Names | None) -> PlannedFiles:
    """Name the files."""
    result = selected.result
    products = _products(result, names)
    paths = [directory / name for name in products.values()]
    paths += [] if selected.rule is None else [mask_name(paths[1])]
    n_byte = 4 * sum(math.prod(result.sizes[dim] for dim in product.dims) for product in products)
    n_byte += BYTES_OF_HEADER * len(paths)
    together = [[product.variable for product in products]]
    memory = bytes_of_export(selected, together, beside=_OF_HDF5)
    return PlannedFiles(paths, n_byte, memory)


def _write(
    selected: Selected, planned: PlannedFiles, products: dict[_Product, str | Path], progress: Progress
) -> None:
    result, paths = selected.result, planned.paths
    common = common_attributes(result)
    with (
        folder_for(planned),
        replaced_when_complete(paths) as files,
    ):
        targets = {}
        for product, file in zip(products, files, strict=False):
            file.attrs.update(_product_attributes(result, product, common))
            shape = tuple(result.sizes[dim] for dim in product.dims)
            targets[product] = file.create_dataset(product.dataset, shape, dtype=np.float32, chunks=True)
            if "date" in product.dims:
                _write_dates(file, result)
        _write_baselines(targets[_SERIES].parent, result)
        if selected.rule is not None:
            files[-1].attrs.update(common | {"FILE_TYPE": "mask", "UNIT": "1", "NO_DATA_VALUE": "none"})
            _write_mask(files[-1], selected)
        tiles = ResultTiles(result, [product.variable for product in products], progress)
        for place, tile in tiles:
            _copy_tile(place, tile, targets)
    if reason := describe_no_answer(tiles.status_counts, result.attrs):
        logger.warning("the products are zero everywhere: %s", in_words_of_python(reason))


def _products(result: xr.Dataset, names: Names | None) -> dict[_Product, str | Path]:
    """Choose the files to write."""
    observation = str(result.attrs.get("observation", PHASE))
    quality = _RESIDUAL if is_offset(observation) else _COHERENCE
    products = (_SERIES, quality, _COUNT)
    _check_variables(result, products)
    chosen = names or product_names(observation, str(result.attrs.get("stack", "")))
    found: dict[_Product, str | Path] = dict(zip(products, chosen, strict=True))
    if _COVARIANCE.variable in result:
        found[_COVARIANCE] = covariance_name(chosen[0], observation)
    return found


def _check_variables(result: xr.Dataset, products: tuple[_Product, ...]) -> None:
    wanted = {product.variable: set(product.dims) for product in products}
    wrong = [n for n, dims in wanted.items() if n not in result or set(result[n].dims) != dims]
    if wrong or "date" not in result.coords:
        there = ", ".join(map(str, result.variables)) or "nothing"
        raise StackFormatError(
            f"found {there} in {result_name(result)}; MintPy's files "
            f"need {', '.join(wanted)} and the coordinate date, as an inversion gives them. Give the output "
            "of `fringefleet invert`."
        )
    check_not_empty(result, ["displacement"])
    check_dates(result)
    if _COVARIANCE.variable in result:
        _check_covariance(result)


def _check_covariance(result: xr.Dataset) -> None:
    found = result[_COVARIANCE.variable]
    if set(found.dims) != set(_COVARIANCE.dims):
        raise StackFormatError(
            f"found {_COVARIANCE.variable} over {', '.join(map(str, found.dims))}; it needs "
            f"{', '.join(_COVARIANCE.dims)}. Give a result of invert, or drop the variable."
        )


def _copy_tile(place: dict[str, slice], tile: xr.Dataset, targets: dict[_Product, h5py.Dataset]) -> None:
    """Copy the variables of a tile to their place; missing estimates as MintPy has them."""
    for product, target in targets.items():
        if product.variable not in tile:
            continue
        values = np.array(tile[product.variable].transpose(*product.dims).values, dtype=np.float32)
        if product is _RESIDUAL:  # the root of the sum, not of the mean
            values *= np.sqrt(tile[_COUNT.variable].transpose(*product.dims).values)
        values[np.isnan(values)] = product.no_answer
        target[tuple(place[dim] for dim in product.dims)] = values


def _write_mask(file: h5py.File, selected: Selected) -> None:
    """Write which pixels are kept, as MintPy's generate_mask does."""
    assert selected.rule is not None  # noqa: S101 - asked only where there is one
    shape = (selected.result.sizes["y"], selected.result.sizes["x"])
    target = file.create_dataset("mask", shape, dtype=np.bool_, chunks=True)
    for place, tile in ResultTiles(selected.result, selected.rule.names):
        target[place["y"], place["x"]] = selected.rule.keeps(tile)


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
        said = result[product.variable].attrs.get("reference_date")
        attributes["REF_DATE"] = said or mintpy_date_name(result, reference)
    if product.variable == "pair_count":
        attributes.pop("NO_DATA_VALUE", None)
    return attributes
