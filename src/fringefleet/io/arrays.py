"""The arrays of an open Zarr store."""

from typing import Any

import xarray as xr
import zarr

from fringefleet.errors import StackFormatError


def array_in(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return the array of a name.

    Raises
    ------
    StackFormatError
        There is a group of that name.
    """
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise StackFormatError(f"{group.store_path}: {name} is no array; make the store again.")
    return array


def in_order(dataset: xr.Dataset) -> xr.Dataset:
    """Put the variables in the order of their names; Zarr lists them as they happen to be found."""
    return dataset[sorted(map(str, dataset.data_vars))]
