"""Dask arrays that stand for values which are written later.

A Dataset of them has the shapes, data types and chunks of a store that is created without values. Dask names
an array after what makes it, and pickles the function for that, which takes longer than the rest of a
creation; here the caller gives the name.
"""

from typing import Any

import dask.array as da
from numpy.typing import DTypeLike


def placeholder(name: str, shape: tuple[int, ...], dtype: DTypeLike, chunks: tuple[int, ...] | int) -> Any:
    """Return zeros that nobody computes.

    Parameters
    ----------
    name
        Name of the variable. Variables of one Dataset that differ in shape, data type or chunks need
        different names.
    shape
        Shape of the array.
    dtype
        Data type of its values.
    chunks
        Length of a chunk along each dimension, or along all; -1 is the whole dimension.
    """
    return da.zeros(shape, dtype=dtype, chunks=chunks, name=f"placeholder-{name}")
