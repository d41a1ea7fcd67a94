"""Readers of stacks that are one file or store: Zarr, NetCDF-4 and MintPy's HDF5."""

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from fringefleet.io.hdf5.variables import is_hdf5, open_hdf5
from fringefleet.io.mintpy.metadata import plain_attributes
from fringefleet.io.mintpy.names import our_name
from fringefleet.io.readers.base import Reader
from fringefleet.io.readers.mintpy import open_mintpy
from fringefleet.io.readers.zarr_netcdf import open_netcdf, open_zarr
from fringefleet.io.zarr.metadata import is_zarr, zarr_metadata
from fringefleet.observation.quantity import is_observation

_STACK_OF_MINTPY = "ifgramStack"
_RESULT = "displacement"  # recognised, so that a result is rejected as such


def _metadata_of_zarr(path: Path) -> str | None:
    return zarr_metadata(path).name if is_zarr(path) else None


def _variable_of_ours(path: Path) -> str | None:
    """Find an observation with a name of ours in a NetCDF-4 file."""
    names, _ = _names_and_type(path)
    name = next((name for name in names if name == _RESULT or is_observation(name)), None)
    return name and f"the variable {name}"


def _dataset_of_mintpy(path: Path) -> str | None:
    """Find an observation with a name of MintPy's in an HDF5 file, or its declared type.

    The type alone is not enough where there are names of ours: copies of a stack keep its attributes.
    """
    names, file_type = _names_and_type(path)
    theirs = (name for name in names if not is_observation(name) and is_observation(our_name(name)))
    name = next(theirs, None)
    if name is not None:
        return f"the dataset {name}"
    says_so = file_type == _STACK_OF_MINTPY and _variable_of_ours(path) is None
    return f"the attribute FILE_TYPE {file_type}" if says_so else None


def _names_and_type(path: Path) -> tuple[list[str], str]:
    """Read the names in an HDF5 file, and its MintPy type; nothing for any other file."""
    if not path.is_file() or not is_hdf5(path):
        return [], ""
    with open_hdf5(path) as file:
        return list(map(str, file)), str(plain_attributes(file.attrs).get("FILE_TYPE", "")).strip()


def _opener(opened: Callable[[Path], xr.Dataset]) -> Callable[[Path, bool], xr.Dataset]:
    return lambda path, _: opened(path)


ZARR = Reader(
    "zarr",
    "Zarr",
    "the folder of a Zarr stack",
    _metadata_of_zarr,
    _opener(open_zarr),
    has_files_of_pairs=False,
)
NETCDF = Reader(
    "netcdf",
    "NetCDF",
    "a NetCDF-4 file with our names",
    _variable_of_ours,
    _opener(open_netcdf),
    has_files_of_pairs=False,
)
MINTPY = Reader(
    "mintpy",
    "MintPy HDF5",
    "a MintPy ifgramStack.h5",
    _dataset_of_mintpy,
    _opener(open_mintpy),
    has_files_of_pairs=False,
)
