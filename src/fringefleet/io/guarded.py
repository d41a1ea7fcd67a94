"""Lazy variables of a store whose errors, when they cannot be read, name the variable and the store."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from fringefleet.io.door import readable


class GuardedArray(BackendArray):
    """A lazy variable as it is read: with its dimensions in another order, and its numbers in another type.

    Parameters
    ----------
    variable
        What is read.
    dims
        Its dimensions in the order that is wanted.
    dtype
        The type that is wanted.
    what
        Its name and that of the store, for a message.
    """

    def __init__(self, variable: xr.Variable, dims: tuple[Any, ...], dtype: Any, what: str) -> None:
        self.variable = variable
        self.dims = dims
        self.dtype = np.dtype(dtype)
        self.what = what
        self.shape = tuple(variable.sizes[dim] for dim in dims)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Name the content: the same in every process."""
        return (type(self).__name__, self.variable._data, self.variable.dims, self.dims, str(self.dtype))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        """Read a part.

        Raises
        ------
        StackFormatError
            It cannot be read; the message names the variable and the store.
        """
        result: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )
        return result

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        with readable(self.what):
            part = self.variable.isel(dict(zip(self.dims, key, strict=True)))
            axes = [part.dims.index(dim) for dim in self.dims if dim in part.dims]
            values = part.values  # read first: xarray reads what is transposed lazily number by number
        with np.errstate(over="ignore"):  # beyond float32: infinite, and counted as such
            return np.asarray(values.transpose(axes), self.dtype, order="C")


def guard_variable(variable: xr.Variable, what: str) -> xr.Variable:
    """Give a lazy variable as it is, but with messages that name it; what is in memory stays there."""
    if isinstance(variable._data, np.ndarray):
        return variable
    array = GuardedArray(variable, variable.dims, variable.dtype, what)
    return xr.Variable(
        variable.dims, indexing.LazilyIndexedArray(array), variable.attrs, encoding=variable.encoding
    )
