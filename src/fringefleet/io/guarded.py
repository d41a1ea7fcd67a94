"""Lazy variables of a store whose errors, when they cannot be read, name the variable and the store."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from fringefleet.io.door import readable


class GuardedArray(BackendArray):
    """A lazy variable as it is.

    Parameters
    ----------
    variable
        What is read.
    what
        Its name and that of the store, for a message.
    """

    def __init__(self, variable: xr.Variable, what: str) -> None:
        self.variable, self.what = variable, what
        self.dtype, self.shape = variable.dtype, variable.shape

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """Name the content: the same in every process."""
        return type(self).__name__, self.variable._data, self.variable.dims

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
            return np.asarray(self.variable.isel(dict(zip(self.variable.dims, key, strict=True))).values)


def guard_variable(variable: xr.Variable, what: str) -> xr.Variable:
    """Give a lazy variable as it is, but with messages that name it; what is in memory stays there."""
    if isinstance(variable._data, np.ndarray):
        return variable
    array = indexing.LazilyIndexedArray(GuardedArray(variable, what))
    return xr.Variable(variable.dims, array, variable.attrs, encoding=variable.encoding)
