"""Lazy variables that read others, and change what is read; the one module that looks inside xarray's."""

from abc import abstractmethod
from typing import Any

import numpy as np
import xarray as xr
from dask.base import normalize_token
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing


class WrappedVariable(BackendArray):
    """A lazy variable that reads another one.

    Parameters
    ----------
    variable
        What is read.
    dims
        Dimensions of what comes out: those of the variable, in any order.
    dtype
        Type of what comes out.
    *settings
        What else the values depend on; plain values.
    """

    def __init__(self, variable: xr.Variable, dims: tuple[Any, ...], dtype: Any, *settings: Any) -> None:
        self.variable, self.dims, self.settings = variable, dims, settings
        self.dtype = np.dtype(dtype)
        self.shape = tuple(variable.sizes[dim] for dim in dims)

    def __dask_tokenize__(self) -> Any:
        """Name the content without reading it: the same in every process.

        xarray's public attributes would read the data; and Dask takes what comes out as it is.
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
        """Select a part of the variable, by indices along the dimensions of what comes out."""
        return self.variable.isel(dict(zip(self.dims, key, strict=True)))

    @abstractmethod
    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Read a part, by indices along the dimensions of what comes out."""


def is_in_memory(variable: xr.Variable) -> bool:
    """Tell whether the values of a variable are in memory, so that nothing is read."""
    return bool(variable._in_memory)
