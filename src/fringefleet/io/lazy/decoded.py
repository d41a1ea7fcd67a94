"""Lazy variable that is decoded, transposed and converted as it is read."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core import indexing

from fringefleet.io.lazy.no_data import StoredNumbers, without_declarations
from fringefleet.io.lazy.wrapped import WrappedVariable, is_in_memory

STORED_AS = "stored_as"  # attribute: dtype of values that were not stored in full floating point


class DecodedArray(WrappedVariable):
    """Decoded values of a lazy variable.

    Parameters
    ----------
    variable
        Variable as stored.
    dims
        Its dimensions in the desired order.
    stored
        Encoding of the stored values.
    dtype
        Dtype of the result.
    """

    def __init__(
        self, variable: xr.Variable, dims: tuple[str, ...], stored: StoredNumbers, dtype: Any
    ) -> None:
        super().__init__(variable, dims, dtype, stored)
        self.stored = stored

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        part = self.part(key)
        axes = [part.dims.index(dim) for dim in self.dims if dim in part.dims]
        values = np.asarray(part.values)  # first: xarray reads a lazy transpose value by value
        if not values.flags.writeable or is_in_memory(self.variable):
            values = values.copy()
        values = self.stored.decode(values, self.dtype)
        return np.asarray(values.transpose(axes), order="C")


def decoded(variable: xr.Variable, dims: tuple[str, ...], stored: StoredNumbers, dtype: Any) -> xr.Variable:
    """Return the decoded form of a lazy variable, still lazy; its encoding is that of the chunks."""
    dtype = np.dtype(dtype)
    if variable.dims != dims or variable.dtype != dtype or not stored.is_plain:
        array = DecodedArray(variable, dims, stored, dtype)
        result = xr.Variable(dims, indexing.LazilyIndexedArray(array), variable.attrs)
    else:
        result = variable.copy(deep=False)
    result.attrs = without_declarations(variable.attrs) | quantised(dtype, variable.dtype)
    result.encoding = encoding_kept(variable)
    return result


def encoding_kept(variable: xr.Variable) -> dict[str, Any]:
    """Return the part of an encoding that remains valid after decoding: chunks, and how it is read."""
    return {
        name: variable.encoding[name]
        for name in ("preferred_chunks", "reading")
        if variable.encoding.get(name)
    }


def quantised(dtype: np.dtype[Any], stored: np.dtype[Any]) -> dict[str, str]:
    """Return an attribute for floating-point values that were stored with lower precision."""
    coarse = dtype.kind == "f" and (stored.kind != "f" or stored.itemsize < 4)
    return {STORED_AS: str(stored)} if coarse else {}
