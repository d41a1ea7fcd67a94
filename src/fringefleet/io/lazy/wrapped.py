"""Lazy variables that transform others as they are read; the only module that uses xarray's internals."""

from abc import abstractmethod
from typing import Any

import numpy as np
import xarray as xr
from dask.base import normalize_token
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing


class WrappedVariable(BackendArray):
    """Lazy variable that reads another one.

    Parameters
    ----------
    variable
        Variable to read.
    dims
        Dimensions of the result: those of the variable, in any order.
    dtype
        Dtype of the result.
    *settings
        Other parameters of the values; plain values.
    """

    def __init__(self, variable: xr.Variable, dims: tuple[Any, ...], dtype: Any, *settings: Any) -> None:
        self.variable, self.dims, self.settings = variable, dims, settings
        self.dtype = np.dtype(dtype)
        self.shape = tuple(variable.sizes[dim] for dim in dims)

    def __dask_tokenize__(self) -> Any:
        """Return the identity of the content without reading it: the same in every process.

        xarray's public attributes would read the data; and Dask takes the result as it is.
        """
        how = self.variable.dims, self.dims, str(self.dtype), *self.settings
        return normalize_token((type(self).__name__, self.variable._data, *how))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        """Read a part."""
        result: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )
        return result

    def part(self, key: tuple[Any, ...]) -> xr.Variable:
        """Select a part of the variable, by indices along the dimensions of the result."""
        return self.variable.isel(dict(zip(self.dims, key, strict=True)))

    @abstractmethod
    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Read a part, by indices along the dimensions of the result."""


def is_in_memory(variable: xr.Variable) -> bool:
    """Return whether the values of a variable are in memory, so that nothing is read."""
    return bool(variable._in_memory)
