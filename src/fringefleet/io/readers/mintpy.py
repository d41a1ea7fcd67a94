"""Reader of MintPy's ``ifgramStack.h5``: of interferograms, of their ionospheric phase, or of offsets.

Names and meanings: MintPy's ``date``, ``bperp`` and its gridded datasets become ours
(:mod:`fringefleet.io.mintpy.names`); ``dropIfgram`` is True where a pair is *kept*. Everything else that is
numeric keeps its name.
"""

from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core.indexing import LazilyIndexedArray

from fringefleet.errors import NetworkError, StackFormatError
from fringefleet.io.checks.declared import check_declared_bytes, check_declared_scene
from fringefleet.io.dates import parse_dates
from fringefleet.io.files.version import FilesVersion, FileVersion
from fringefleet.io.grid import GRID_MAPPING, grid_coordinates, with_reference_coordinates
from fringefleet.io.hdf5.layout import find_reading
from fringefleet.io.hdf5.variables import HDF5Array, open_hdf5
from fringefleet.io.lazy.decoded import decoded
from fringefleet.io.lazy.no_data import declared_of_hdf5, read_decoded
from fringefleet.io.mintpy.metadata import derived_attributes, plain_attributes
from fringefleet.io.mintpy.names import MINTPY_NAMES, OUR_NAMES, our_name
from fringefleet.io.quantities import declared_unit, quantity_of, unit_factor
from fringefleet.observation.quantity import PHASE, is_observation, is_offset

_LOOKS = {  # of the datasets that become ours
    "phase": {"long_name": "unwrapped phase", "units": "rad"},
    "coherence": {"long_name": "spatial coherence", "units": "1"},
    "connectComponent": {"long_name": "connected component"},
    "rangeOffset": {"long_name": "offset in slant range", "units": "pixel"},
    "azimuthOffset": {"long_name": "offset in azimuth", "units": "pixel"},
    "rangeOffsetStd": {"long_name": "standard deviation of the offset in slant range", "units": "pixel"},
    "azimuthOffsetStd": {"long_name": "standard deviation of the offset in azimuth", "units": "pixel"},
    "offsetSNR": {"long_name": "signal-to-noise ratio of the offsets", "units": "1"},
}
_INTEGER = "connectComponent"
_OURS = ("reference_date", "secondary_date", "perpendicular_baseline", *(MINTPY_NAMES.keys() - OUR_NAMES))
_NOT_VARIABLES = ("date", "bperp", "dropIfgram", "pair", "y", "x", GRID_MAPPING, *_OURS)


def open_mintpy(path: Path) -> xr.Dataset:
    """Open a MintPy stack lazily, without dropped pairs.

    Raises
    ------
    StackFormatError
        A dataset is missing, has the wrong type or is inconsistent with the others; a date or a number
        is invalid.
    NetworkError
        No pair is kept.
    """
    source = FileVersion.of(path)
    with open_hdf5(path) as file:
        main = _main_dataset(file)
        _check_layout(file, main)
        attrs = plain_attributes(file.attrs)
        shape = file[main].shape
        kept = _kept_pairs(file, shape[0])
        coords = _pair_coordinates(file, kept)
        date_format = coords["reference_date"].encoding.pop("date_format")
        coords |= grid_coordinates(attrs, shape[1:])
        attrs |= derived_attributes(attrs) | {"date_format": date_format}
        variables = {
            our_name(name): _lazy_variable(source, file[name], (name, shape), kept, _unit(file, name, main))
            for name in _kept_datasets(file)
        }
    if GRID_MAPPING in coords:
        for variable in variables.values():
            if variable.dims[-2:] == ("y", "x"):
                variable.attrs["grid_mapping"] = GRID_MAPPING
    stack = xr.Dataset(variables, coords, with_reference_coordinates(attrs, coords))
    stack.encoding["version"] = FilesVersion.of(path, [source])
    return stack


def _main_dataset(file: h5py.File) -> str:
    """Find the observation of the stack, the reference of all checks: a phase, or else an offset."""
    names = [name for name in file if isinstance(file[name], h5py.Dataset) and is_observation(our_name(name))]
    if not names or not isinstance(file.get("date"), h5py.Dataset):
        lacking = "date" if names else "unwrapPhase"
        raise StackFormatError(
            f"found no dataset {lacking!r}; the file has {_names(file)}, and its FILE_TYPE is "
            f"{plain_attributes(file.attrs).get('FILE_TYPE')!r}. Give a MintPy ifgramStack.h5."
        )
    first: str = min(names, key=lambda name: our_name(name) != PHASE)
    return first


def _check_layout(file: h5py.File, main: str) -> None:
    shape: tuple[int, ...] = file[main].shape or ()
    if len(shape) != 3 or 0 in shape:
        raise StackFormatError(f"the dataset {main} has the shape {shape}; (pair, row, column) is needed.")
    gridded = {name: shape for name in file if _is_ours(name)}
    expected = {"date": (shape[0], 2), "bperp": shape[:1], "dropIfgram": shape[:1]} | gridded
    check_declared_scene(shape[1:], shape[0])
    stored = file[main].id.get_storage_size()
    check_declared_bytes(f"the dataset {main}", shape, file[main].dtype.itemsize, stored)
    for name, wanted in expected.items():
        if name in file and not isinstance(file[name], h5py.Dataset):
            raise StackFormatError(
                f"{name} is a group in the file; a dataset of the shape {wanted} is needed."
            )
        if name in file and file[name].shape != wanted:
            raise StackFormatError(
                f"the dataset {name} has the shape {file[name].shape}, but {main} has "
                f"{shape}; {wanted} is needed. The file is damaged or was assembled incorrectly."
            )
    for name in ("bperp", *gridded):
        kinds = "iuf" if name in ("bperp", _INTEGER) else "f"
        if name in file and file[name].dtype.kind not in kinds:
            needed = "floating point" if kinds == "f" else "any"
            raise StackFormatError(
                f"the dataset {name} has the type {file[name].dtype}; {needed} numbers are needed."
            )


def _is_ours(name: str) -> bool:
    return name in OUR_NAMES or is_observation(our_name(name))


def _kept_pairs(file: h5py.File, n_pair: int) -> NDArray[np.int64]:
    if "dropIfgram" not in file:
        return np.arange(n_pair)
    marks = file["dropIfgram"][()]
    if marks.dtype.kind not in "biuf" or not np.isin(marks, (0, 1)).all():
        raise StackFormatError(
            f"the dataset dropIfgram has the type {marks.dtype} and values such as {marks[0]!r}; True for "
            "every pair that is kept and False for the others is needed. Write them as booleans."
        )
    kept = np.flatnonzero(marks)
    if not len(kept):
        raise NetworkError(
            f"dropIfgram is False for all {n_pair} pairs, which drops them all; "
            "at least one must be kept (True)."
        )
    return kept


def _pair_coordinates(file: h5py.File, kept: NDArray[np.int64]) -> dict[str, xr.Variable]:
    times, date_format = parse_dates(file["date"][()][kept].ravel())
    columns = times.astype("datetime64[ns]").reshape(-1, 2).T
    coords = {
        name: xr.Variable("pair", column, {"long_name": name.replace("_", " ")})
        for name, column in zip(("reference_date", "secondary_date"), columns, strict=True)
    }
    coords["reference_date"].encoding["date_format"] = date_format
    if "bperp" in file:
        values = read_decoded(file["bperp"])[kept].astype(np.float32)
        unit = declared_unit(plain_attributes(file["bperp"].attrs)) or "m"
        attrs = {"long_name": "perpendicular baseline", "units": unit}
        coords["perpendicular_baseline"] = xr.Variable("pair", values, attrs)
    return coords


def _kept_datasets(file: h5py.File) -> list[str]:
    return [
        name
        for name, item in file.items()
        if isinstance(item, h5py.Dataset)
        and item.shape is not None
        and item.dtype.kind in "biuf"
        and name not in _NOT_VARIABLES
    ]


def _unit(file: h5py.File, name: str, main: str) -> dict[str, str]:
    """Return the unit that a dataset declares; that of the file applies to its observation."""
    said = declared_unit(plain_attributes(file[name].attrs))
    if (
        said is None
        and is_offset(our_name(name)) == is_offset(our_name(main))
        and is_observation(our_name(name))
    ):
        said = declared_unit(plain_attributes(file.attrs))
    return {"units": said} if said is not None and _is_odd(name, said) else {}


def _is_odd(name: str, said: str) -> bool:
    """Return whether a unit differs from ours."""
    quantity = quantity_of(our_name(name), {})
    return quantity is not None and unit_factor(quantity, said) != 1


def _lazy_variable(
    source: FileVersion,
    dataset: h5py.Dataset,
    name_and_shape: tuple[str, tuple[int, int, int]],
    kept: NDArray[np.int64],
    unit: dict[str, str],
) -> xr.Variable:
    name, stack_shape = name_and_shape
    dims = _dimensions(name, dataset.shape, stack_shape)
    ours = _is_ours(name)
    dtype = dataset.dtype
    if ours:
        dtype = np.dtype("i2") if name == _INTEGER and dtype.kind != "f" else np.dtype("f4")
    stored = declared_of_hdf5(dataset, dataset.file.attrs)
    as_it_is = ours and not stored.is_plain  # HDF5 converts while it reads, but ignores declarations
    array = HDF5Array(
        source, dataset, kept if dims[:1] == ("pair",) else None, dataset.dtype if as_it_is else dtype
    )
    look = _LOOKS.get(name, _LOOKS["phase"]) if ours else {}
    variable = xr.Variable(dims, LazilyIndexedArray(array), plain_attributes(dataset.attrs))
    if as_it_is:
        variable = decoded(variable, dims, stored, dtype)
    variable.attrs |= look | unit
    if {"y", "x"} <= set(dims):
        variable.encoding["reading"] = find_reading(dataset, dims)
    if dataset.chunks:
        variable.encoding["preferred_chunks"] = dict(zip(dims, dataset.chunks, strict=True))
    return variable


def _dimensions(name: str, shape: tuple[int, ...], stack_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Return the names of the axes of a dataset by its shape; an unknown axis gets its own name."""
    if shape == stack_shape:
        return ("pair", "y", "x")
    own = tuple(f"{name}_{axis}" for axis in range(len(shape)))
    if shape[-2:] == stack_shape[1:]:
        return (*own[:-2], "y", "x")
    return ("pair", *own[1:]) if shape[:1] == stack_shape[:1] else own


def _names(file: h5py.File) -> str:
    return ", ".join(file) or "none"
