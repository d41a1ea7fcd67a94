"""MintPy's ``ifgramStack.h5`` as a stack, and its water mask.

Names and meanings: MintPy's ``date``, ``bperp``, ``unwrapPhase``, ``coherence`` and
``connectComponent`` become ours; ``dropIfgram`` is True where a pair is *kept*. Everything else
that is numeric keeps its name.
"""

from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core.indexing import LazilyIndexedArray

from fringefleet.errors import InputError, NetworkError, StackFormatError
from fringefleet.io.dates import parse_dates
from fringefleet.io.grid import GRID_MAPPING, grid_coordinates, with_reference_coordinates
from fringefleet.io.hdf5 import HDF5Array, open_hdf5
from fringefleet.io.metadata import derived_attributes, plain_attributes
from fringefleet.io.version import FileVersion

_OUR_NAMES = {
    "unwrapPhase": "unwrapped_phase",
    "coherence": "coherence",
    "connectComponent": "connected_component",
}
_OUR_ATTRIBUTES = {
    "unwrapPhase": {"long_name": "unwrapped phase", "units": "rad"},
    "coherence": {"long_name": "spatial coherence", "units": "1"},
    "connectComponent": {"long_name": "connected component"},
}
_OUR_DTYPES = {"unwrapPhase": "f4", "coherence": "f4", "connectComponent": "i2"}
_KINDS = {"unwrapPhase": "f", "coherence": "f", "connectComponent": "iuf", "bperp": "iuf"}
_OURS = (
    "reference_date",
    "secondary_date",
    "perpendicular_baseline",
    "unwrapped_phase",
    "connected_component",
)
_NOT_VARIABLES = ("date", "bperp", "dropIfgram", "pair", "y", "x", GRID_MAPPING, *_OURS)


def open_mintpy(path: Path) -> xr.Dataset:
    """Open a MintPy stack lazily; dropped pairs are left out.

    Raises
    ------
    StackFormatError
        A dataset is missing, has the wrong type or does not fit the others; a date or a number
        cannot be read.
    NetworkError
        No pair is kept.
    """
    source = FileVersion.of(path)
    with open_hdf5(path) as file:
        _check_layout(file)
        attrs = plain_attributes(file.attrs)
        kept = _kept_pairs(file)
        shape = file["unwrapPhase"].shape
        coords = _pair_coordinates(file, kept)
        date_format = coords["reference_date"].encoding.pop("date_format")
        coords |= grid_coordinates(attrs, shape[1:])
        attrs |= derived_attributes(attrs) | {"date_format": date_format}
        variables = {
            _OUR_NAMES.get(name, name): _lazy_variable(source, file, name, kept)
            for name in _kept_datasets(file)
        }
    if GRID_MAPPING in coords:
        for variable in variables.values():
            if variable.dims[-2:] == ("y", "x"):
                variable.attrs["grid_mapping"] = GRID_MAPPING
    return xr.Dataset(variables, coords, with_reference_coordinates(attrs, coords))


def read_water_mask(path: str | Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read MintPy's water mask: True where a pixel is to be inverted.

    Parameters
    ----------
    path
        HDF5 file with the dataset ``waterMask`` or ``mask``, nonzero on land. NaN counts as water.
    shape
        Rows and columns of the stack.

    Raises
    ------
    InputError
        There is no such file.
    StackFormatError
        It has neither dataset, or one of another shape.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"found no water mask at {path}; give the path of an HDF5 file or leave it out.")
    if not h5py.is_hdf5(path):
        raise StackFormatError(f"the water mask {path} is no HDF5 file; give MintPy's waterMask.h5.")
    with open_hdf5(path) as file:
        datasets = [name for name in file if isinstance(file[name], h5py.Dataset)]
        name = next((name for name in ("waterMask", "mask") if name in datasets), None)
        if name is None:
            raise StackFormatError(
                f"the water mask {path} has the datasets {_names(file)}; "
                "it needs one of the name waterMask or mask."
            )
        if file[name].shape != shape:
            raise StackFormatError(
                f"the water mask {path} has the shape {file[name].shape}, the stack {shape}; "
                "both must cover the same pixels."
            )
        if file[name].dtype.kind not in "biuf":
            raise StackFormatError(
                f"the water mask {path} has the type {file[name].dtype}; numbers are needed."
            )
        values = file[name][()]
    land: NDArray[np.bool_] = np.nan_to_num(values.astype(np.float64)) != 0
    return land


def _check_layout(file: h5py.File) -> None:
    for name in ("date", "unwrapPhase"):
        if not isinstance(file.get(name), h5py.Dataset):
            raise StackFormatError(
                f"found no dataset {name!r}; the file has {_names(file)}, and its FILE_TYPE is "
                f"{plain_attributes(file.attrs).get('FILE_TYPE')!r}. Give a MintPy ifgramStack.h5."
            )
    shape = file["unwrapPhase"].shape
    if len(shape) != 3 or 0 in shape:
        raise StackFormatError(
            f"the dataset unwrapPhase has the shape {shape}; (pair, row, column) is needed."
        )
    expected = {"date": (shape[0], 2), "bperp": shape[:1], "dropIfgram": shape[:1]}
    for name, wanted in (expected | dict.fromkeys(_OUR_NAMES, shape)).items():
        if name in file and file[name].shape != wanted:
            raise StackFormatError(
                f"the dataset {name} has the shape {file[name].shape}, but unwrapPhase has "
                f"{shape}; {wanted} is needed. The file is damaged or was put together wrongly."
            )
    for name, kinds in _KINDS.items():
        if name in file and file[name].dtype.kind not in kinds:
            needed = "floating point" if kinds == "f" else "any"
            raise StackFormatError(
                f"the dataset {name} has the type {file[name].dtype}; {needed} numbers are needed."
            )


def _kept_pairs(file: h5py.File) -> NDArray[np.int64]:
    n_pair = file["unwrapPhase"].shape[0]
    if "dropIfgram" not in file:
        return np.arange(n_pair)
    kept = np.flatnonzero(file["dropIfgram"][()])
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
        values = file["bperp"][()][kept].astype(np.float32)
        attrs = {"long_name": "perpendicular baseline", "units": "m"}
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


def _lazy_variable(source: FileVersion, file: h5py.File, name: str, kept: NDArray[np.int64]) -> xr.Variable:
    dataset = file[name]
    dims = _dimensions(name, dataset.shape, file["unwrapPhase"].shape)
    array = HDF5Array(
        source,
        dataset,
        kept if dims[:1] == ("pair",) else None,
        "f4" if dataset.dtype.kind == "f" and name in _OUR_NAMES else _OUR_DTYPES.get(name, dataset.dtype),
    )
    variable = xr.Variable(
        dims,
        LazilyIndexedArray(array),
        plain_attributes(dataset.attrs) | _OUR_ATTRIBUTES.get(name, {}),
    )
    if dataset.chunks:
        variable.encoding["preferred_chunks"] = dict(zip(dims, dataset.chunks, strict=True))
    return variable


def _dimensions(name: str, shape: tuple[int, ...], stack_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Name the axes of a dataset by its shape; an axis that is none of ours gets its own name."""
    if shape == stack_shape:
        return ("pair", "y", "x")
    own = tuple(f"{name}_{axis}" for axis in range(len(shape)))
    if shape[-2:] == stack_shape[1:]:
        return (*own[:-2], "y", "x")
    return ("pair", *own[1:]) if shape[:1] == stack_shape[:1] else own


def _names(file: h5py.File) -> str:
    return ", ".join(file) or "none"
