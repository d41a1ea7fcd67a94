"""Arrays of an open Zarr store."""

from inspect import signature
from typing import Any

import xarray as xr
import zarr
from xarray.backends import StoreBackendEntrypoint, ZarrStore

from fringefleet.errors import StackFormatError


def array_in(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return the array with a name.

    Raises
    ------
    StackFormatError
        A group has that name.
    """
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise StackFormatError(f"{group.store_path}: {name} is not an array; create the store again.")
    return array


def in_order(dataset: xr.Dataset) -> xr.Dataset:
    """Sort the variables by name; Zarr lists them in arbitrary order."""
    return dataset[sorted(map(str, dataset.data_vars))]


class _Group(StoreBackendEntrypoint):
    open_dataset_parameters = tuple(signature(StoreBackendEntrypoint.open_dataset).parameters)[1:]


def open_group(group: ZarrStore, *, decode_cf: bool = True) -> xr.Dataset:
    """Open a Zarr group lazily, bypassing xarray's search for an engine, which imports all, including GDAL.

    Parameters
    ----------
    group
        As opened by xarray.
    decode_cf
        Whether variables are decoded by their attributes.
    """
    return xr.open_dataset(group, engine=_Group, chunks=None, decode_cf=decode_cf)
