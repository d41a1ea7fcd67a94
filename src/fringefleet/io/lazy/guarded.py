"""Lazy variables of a store whose read errors name the variable and the store."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core import indexing

from fringefleet.io.checks.door import readable
from fringefleet.io.lazy.wrapped import WrappedVariable, is_in_memory


class GuardedArray(WrappedVariable):
    """Lazy variable, unchanged except for its errors.

    Parameters
    ----------
    variable
        Variable to read.
    what
        Its name and that of the store, for a message.
    """

    def __init__(self, variable: xr.Variable, what: str) -> None:
        super().__init__(variable, variable.dims, variable.dtype)
        self.what = what

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        with readable(self.what):
            return np.asarray(self.part(key).values)


def guard_variable(variable: xr.Variable, what: str) -> xr.Variable:
    """Return a lazy variable whose errors name it; one in memory is returned unchanged."""
    if is_in_memory(variable):
        return variable
    array = indexing.LazilyIndexedArray(GuardedArray(variable, what))
    return xr.Variable(variable.dims, array, variable.attrs, encoding=variable.encoding)
