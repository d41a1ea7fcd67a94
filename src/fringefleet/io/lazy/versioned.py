"""Lazily indexed variables of a Zarr stack, bound to a version of the stack."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core import indexing

from fringefleet.io.files.listing import Listing
from fringefleet.io.files.version import ArrayLayout, FilesVersion
from fringefleet.io.lazy.wrapped import WrappedVariable
from fringefleet.io.zarr.files import ZarrFiles


class VersionedArray(WrappedVariable):
    """Stored variable, identified by the version of its files.

    With a ``listing`` every read is checked against it: a file changed after the store was opened is an
    error. Without one it pickles small, and the caller has to check.
    """

    def __init__(
        self, variable: xr.Variable, version: tuple[str, str], files: ZarrFiles, listing: Listing | None
    ) -> None:
        super().__init__(variable, variable.dims, variable.dtype)
        self.version, self.files, self.listing = version, files, listing

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Return the identity of the content: the same in every process, another after its files changed."""
        names = [array.name for array in self.files.arrays]
        return (type(self).__name__, *self.version, names, self.variable.dims, str(self.dtype))

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        places = dict(zip(self.variable.dims, key, strict=True))
        try:
            values: NDArray[Any] = self.part(key).values
        finally:
            if self.listing is not None:
                self._check(self.listing, places)
        return values

    def _check(self, listing: Listing, places: dict[Any, Any]) -> None:
        rows, columns = (
            np.atleast_1d(np.arange(self.variable.sizes[dim])[places[dim]]) for dim in ("y", "x")
        )
        if rows.size and columns.size:
            window = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
            self.files.check(listing, window, once=False)


def versioned(stack: xr.Dataset, version: FilesVersion, *, is_checked: bool) -> xr.Dataset:
    """Bind the gridded variables of a Zarr stack to its version; ``is_checked``: also check every read."""
    return stack.assign(
        {
            array.name: _versioned(stack[array.name].variable, version, array, is_checked=is_checked)
            for array in version.arrays
            if array.name in stack.data_vars
        }
    )


def _versioned(
    variable: xr.Variable, version: FilesVersion, array: ArrayLayout, *, is_checked: bool
) -> xr.Variable:
    prefix = f"{array.name}/"
    own = version.listing.take(
        np.array([name.startswith(prefix) for name in version.listing.names], np.bool_)
    )
    files = ZarrFiles(version.path, (array,))
    data = VersionedArray(variable, (version.path, own.digest), files, own if is_checked else None)
    result = xr.Variable(variable.dims, indexing.LazilyIndexedArray(data), variable.attrs)
    result.encoding = variable.encoding
    return result
